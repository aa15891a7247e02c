#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/testament.h"
#include "supervisor/node/service_manager.h"

// What a node's agent has the service manager keep beyond its own end, and by which names.

namespace tidewaiter::supervisor {

// The files of one container: "c7.slots". Nobody keeps them where there is no manager, which outlives this.
class KeptFiles final : public Deposit {
 public:
  KeptFiles(const ServiceManager& manager, std::uint64_t number)
      : manager_(manager), prefix_("c" + std::to_string(number) + ".") {}
  void keep(const std::string& name, int fd) override;
  void drop(const std::string& name) override;
  // Of a keeper that did not come to be.
  void drop_all();

 private:
  const ServiceManager& manager_;
  std::string prefix_;
  std::set<std::string> names_;
};

// A process: its pidfd, "p3", so that whoever comes after us can see to its end before he goes on.
class KeptProcess final : public Worker {
 public:
  KeptProcess(std::unique_ptr<Worker> process, const ServiceManager& manager, std::string name)
      : process_(std::move(process)), manager_(manager), name_(std::move(name)) {}
  KeptProcess(const KeptProcess&) = delete;
  KeptProcess& operator=(const KeptProcess&) = delete;
  ~KeptProcess() override;
  [[nodiscard]] int ended_fd() const override { return process_->ended_fd(); }
  void kill() override { process_->kill(); }
  std::optional<std::string> reap() override { return process_->reap(); }

 private:
  std::unique_ptr<Worker> process_;
  const ServiceManager& manager_;
  std::string name_;
};

// "c12.slots" is 'c', 12 and "slots"; "p3" is 'p', 3 and nothing.
struct KeptName {
  char kind = 0;
  std::uint64_t number = 0;
  std::string rest;
};
// nullopt: it is none of these.
std::optional<KeptName> split_kept_name(const std::string& text);

}  // namespace tidewaiter::supervisor
