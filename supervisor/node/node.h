#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/container/node_request.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/node/kept_files.h"
#include "supervisor/node/policy_folder.h"
#include "supervisor/node/service_manager.h"
#include "supervisor/node/worker_pool.h"

namespace tidewaiter::supervisor {

// What the node's agent begins with.
struct NodeInheritance {
  std::string socket_path;                   // where the shim asks
  UniqueFd listener;                         // there
  std::string program;                       // where the agent's program lies
  std::string policies;                      // the folder of the policy files
  std::vector<ServiceManager::Passed> left;  // what an earlier node's agent has had kept
  ServiceManager manager;
};

// The first process of a node's agent, which supervises all containers that the shim registers with it. For
// each it has a Keeper, all in this one thread, and one process serves them all (WorkerPool). It looks into
// nothing that a container could have written.
//
// SIGHUP, or a change in the folder of the policies, has all containers look at their policies again. Where
// one takes another policy, all get another worker: there is one process.
//
// Who may ask: asker.h.
class Node {
 public:
  static Result<std::unique_ptr<Node>> make(NodeInheritance inheritance, Launch launch,
                                            LaunchTracer launch_tracer);

  // Until SIGTERM. What is still supervised goes on with the next agent, where a service manager keeps what
  // that takes; else it fails closed, as with an agent of a container's own.
  Status run();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Containers, and who asks at once.
  static constexpr std::size_t kMostContainers = 4096;
  static constexpr std::size_t kMostAsking = 1024;

 private:
  using Time = Upkeep::Time;
  enum class Source : std::uint64_t { kSignals, kListener, kAsking, kWorkers, kContainer, kClock, kPolicies };
  struct Container {
    std::unique_ptr<KeptFiles> kept;  // what its keeper has had kept; outlives it
    std::unique_ptr<Keeper> keeper;
    // Of who registered it, as long as that may withdraw it.
    UniqueFd registering;
    bool due = true;
  };
  using Containers = std::map<std::uint64_t, Container>;

  explicit Node(NodeInheritance inheritance);
  Status prepare(Launch launch);
  Launch kept(Launch launch);
  LaunchTracer kept(LaunchTracer launch);
  Result<std::unique_ptr<Worker>> keep_process(Result<std::unique_ptr<Worker>> process);
  Status resume();
  Status end_left_processes();
  void resume_container(std::uint64_t number, std::map<std::string, UniqueFd> left);
  [[nodiscard]] KeeperInheritance inheritance_of(Container& container) const;
  Status watch(int fd, Source source, std::uint64_t number = 0) const;
  void stop_watching(int fd) const;
  void dispatch(Source source, std::uint64_t number);
  void take_turns();
  [[nodiscard]] int timeout() const;

  void signalled();
  void replace();
  void tell_manager();

  Status watch_policies();
  void policies_changed();
  void look_at_policies();
  void reload();
  void look_after_reload(Time now);

  void accept_asking();
  void resume_accepting(Time now);
  void hear(std::uint64_t number);
  Status obey(std::uint64_t number, container::NodeRequest request);
  Status register_container(std::uint64_t number, container::NodeRequest request);
  Status end_container(const std::string& state_folder);
  void hear_registering(Container& container) const;

  NodeInheritance inheritance_;
  LaunchTracer launch_tracer_;
  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd clock_;  // timerfd: of the watchdog, and of what is logged
  std::unique_ptr<WorkerPool> workers_;
  UniqueFd successor_;                    // the program (O_PATH) that workers run now; invalid: our own
  std::optional<PolicyFolder> policies_;  // nullopt: their folder is not watched
  std::optional<Time> reload_at_;         // files have changed, and more may
  std::optional<Time> reloaded_by_;       // the containers are looking at their policies
  std::map<std::uint64_t, UniqueFd> asking_;
  std::optional<Time> accept_again_;  // the listener is left alone until then
  Time logged_since_ = std::chrono::steady_clock::now();
  Containers containers_;  // their keepers' workers are the pool's
  std::uint64_t next_number_ = 1;
  std::size_t told_containers_ = 0;  // the service manager
  bool over_ = false;
};

}  // namespace tidewaiter::supervisor
