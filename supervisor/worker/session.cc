#include "supervisor/worker/session.h"

#include <poll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "oci/base/log.h"
#include "supervisor/operations/exec.h"
#include "supervisor/report/event.h"
#include "supervisor/worker/spare_memory.h"

namespace tidewaiter::supervisor {
namespace {

// Threads that receive at any time: enough that callers on several cores are served side by side.
unsigned receivers() { return std::clamp(std::thread::hardware_concurrency(), 2U, 4U); }

// Threads of one session altogether, and so its calls that may wait at once: what one more costs is a stack.
constexpr unsigned kThreadLimit = 256;

int errno_of(const Outcome& outcome) {
  switch (outcome.answer.kind) {
    case Answer::Kind::kErrno:
      return outcome.answer.errno_value;
    case Answer::Kind::kKill:
    case Answer::Kind::kValue:
    case Answer::Kind::kLetRun:
      return 0;
  }
  return 0;
}

EventVerdict verdict_of(const Outcome& outcome, policy::Mode mode) {
  if (!outcome.decision) return EventVerdict::kFailed;
  if (outcome.decision->verdict == policy::Verdict::kAllow) return EventVerdict::kAllowed;
  if (outcome.answer.kind == Answer::Kind::kKill) return EventVerdict::kKilled;
  return mode == policy::Mode::kAudit && outcome.answer.kind == Answer::Kind::kLetRun ? EventVerdict::kAudited
                                                                                      : EventVerdict::kDenied;
}

// Whether the kernel itself notes in the slot how much of it has been done, and whoever repeats it without
// need does it twice.
bool sends(policy::Operation operation) {
  switch (operation) {
    case policy::Operation::kSend:
      return true;
    case policy::Operation::kConnect:
    case policy::Operation::kBind:
    case policy::Operation::kExec:
    case policy::Operation::kNone:
      return false;
  }
  return false;
}

// Whether it is performed here, with what it comes to in the slot. What the kernel itself makes is decided
// anew.
bool performs(policy::Operation operation) {
  switch (operation) {
    case policy::Operation::kConnect:
    case policy::Operation::kBind:
    case policy::Operation::kSend:
      return true;
    case policy::Operation::kExec:
    case policy::Operation::kNone:
      return false;
  }
  return false;
}

// What a call that an earlier worker had taken up came to, as its repetition is to be told.
struct Left {
  Answer answer;
  std::uint32_t last_length = PerformedCall::kToldLength;
};

// The kernel has noted what it took, and natively that would be the result.
std::optional<Left> sent_before(const Slot& slot, int number) {
  const Slot::Sent sent = slot.sent();
  const bool any_of_next = sent.noted || sent.bytes != 0;
  if (number != SYS_sendmmsg) {
    if (!any_of_next) return std::nullopt;
    return Left{Answer::result(static_cast<std::int64_t>(sent.bytes))};
  }
  const std::int64_t messages = std::int64_t{sent.messages} + (any_of_next ? 1 : 0);
  if (messages == 0) return std::nullopt;
  return Left{Answer::result(messages),
              any_of_next ? static_cast<std::uint32_t>(sent.bytes) : PerformedCall::kToldLength};
}

// nullopt: it is made as if there had been none. EINTR: nobody knows, and the socket is asked.
std::optional<Left> left_by(const Slot& slot, policy::Operation operation, int number) {
  if (!performs(operation)) return std::nullopt;
  switch (slot.stage.load()) {
    case Slot::Stage::kIdle:
      return std::nullopt;
    case Slot::Stage::kPerforming:
      // A connect goes on by itself, and a bind may have taken place.
      return sends(operation) ? sent_before(slot, number) : Left{Answer::refuse(EINTR)};
    case Slot::Stage::kPerformed:
      // What failed may be tried again, and succeed.
      if (slot.answer.kind == Answer::Kind::kValue) return Left{slot.answer};
      if (operation != policy::Operation::kConnect) return std::nullopt;
      if (!slot.answer.fails_with(EINPROGRESS) && !slot.answer.fails_with(EINTR)) return std::nullopt;
      return Left{slot.answer};
    case Slot::Stage::kAnswering:
      // The target has the answer, perhaps. That a connect or a bind succeeded may be said twice; whatever
      // else may be another call.
      if (sends(operation) || slot.answer.kind != Answer::Kind::kValue) return std::nullopt;
      return Left{slot.answer};
  }
  return std::nullopt;
}

// Of a call whose answer was lost, because a signal took its target out: it never happened, or comes again.
bool without_effect(const Outcome& outcome) {
  if (outcome.performed || outcome.attempted) return false;
  return outcome.answer.kind == Answer::Kind::kErrno || outcome.answer.kind == Answer::Kind::kLetRun;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::start(Kernel& kernel, UniqueFd notify_fd, std::string container_id,
                                                const Supervision& supervision, EventLog& events, int wake_fd,
                                                Slots& slots, unsigned number, Tracer* tracer) {
  // Without it a round trip takes six times as long (kernel/seccomp.c wakes the peer on another core); a
  // kernel before 6.6 has it not.
  if (const Status fast = seccomp::set_flags(notify_fd.get(), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP); !fast) {
    log::info("no synchronous wake-up: notifications will be slower", {{"error", fast.error().message()}});
  }
  std::unique_ptr<Session> session(new Session(kernel, std::move(notify_fd), std::move(container_id),
                                               supervision, events, wake_fd, slots, number, tracer));
  session->take_over();
  TRY(session->waiting_.start());
  return session;
}

Session::Session(Kernel& kernel, UniqueFd notify_fd, std::string container_id, const Supervision& supervision,
                 EventLog& events, int wake_fd, Slots& slots, unsigned number, Tracer* tracer)
    : kernel_(kernel),
      notify_fd_(std::move(notify_fd)),
      container_id_(events.keep(std::move(container_id))),
      supervision_(supervision),
      events_(events),
      slots_(slots),
      number_(number),
      own_tracer_(kernel),
      tracer_(tracer != nullptr ? *tracer : own_tracer_),
      repeats_(slots.lost_answers(number)),
      start_(supervision.exempts_start(), slots.start_over(number)),
      waiting_([](void* self) { return static_cast<Session*>(self)->receive_one(); }, this, receivers(),
               kThreadLimit, wake_fd, [](void* self) { static_cast<Session*>(self)->leave(); }) {}

Session::~Session() { waiting_.stop(); }

bool Session::hung_up() const {
  struct pollfd poll_fd = {notify_fd_.get(), 0, 0};
  int ready = 0;
  // Whom a signal keeps from looking is told POLLERR (seccomp_notify_poll in kernel/seccomp.c waits for a
  // lock).
  do {
    poll_fd.revents = 0;
    ready = ::poll(&poll_fd, 1, 0);
  } while ((ready < 0 && errno == EINTR) || (ready == 1 && poll_fd.revents == POLLERR));
  return ready == 1 && (poll_fd.revents & POLLHUP) != 0;
}

// What an earlier worker has left: what stands is served by the first receivers, the rest is over.
void Session::take_over() {
  std::uint64_t lost = 0;
  const auto slots = slots_.take_over(number_);
  // What an earlier worker has let run may be an execve that has not come to its end.
  identities_.emplace(kernel_, supervision_.told_of_execs() && slots.empty());
  for (Slot* const slot : slots) {
    const seccomp::NotificationBuffer buffer = slots_.notification(*slot);
    const struct seccomp_notif& received = buffer.get();
    const Notification stands_or_not = Notification::borrowed(kernel_, notify_fd_.get(), received);
    if (received.id != 0 && stands_or_not.still_stands()) {
      // Whoever killed the worker, it was not the call that only waited for the kernel.
      if (slot->stage == Slot::Stage::kPerforming) slot->attempts = 0;
      left_.push_back(slot);
      continue;
    }
    remember_lost(*slot, received);
    if (slot->owes_event()) ++lost;
    slot->settle_event();
    slots_.give_back(*slot);
  }
  if (lost != 0) events_.tell_lost(lost);
  any_left_ = !left_.empty();
}

// What was performed for a target that did not get to know it.
void Session::remember_lost(const Slot& slot, const struct seccomp_notif& received) {
  const Syscall* const syscall = supervision_.syscalls().find(received.data.arch, received.data.nr);
  if (syscall == nullptr) return;
  const auto left = left_by(slot, syscall->meaning, received.data.nr);
  if (!left) return;
  repeats_.remember({.tid = static_cast<pid_t>(received.pid),
                     .number = received.data.nr,
                     .socket_cookie = slot.cookie,
                     .address = {slot.address.begin(), slot.address.begin() + slot.address_size},
                     .of_thread_alone = sends(syscall->meaning),
                     .last_length = left->last_length},
                    left->answer);
}

Slot* Session::own_slot() {
  if (Slot::own == nullptr) Slot::own = slots_.take(number_);
  if (Slot::own == nullptr) log::error("no slot is left for a receiver", {{"container", container_id_}});
  return Slot::own;
}

void Session::leave() {
  if (Slot* const slot = std::exchange(Slot::own, nullptr)) slots_.give_back(*slot);
}

// To the next worker, as it is.
void Session::leave_open() { Slot::own = nullptr; }

// Whether there was a notification that an earlier worker has left.
bool Session::serve_left() {
  Slot* slot = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (left_.empty()) return false;
    slot = left_.back();
    left_.pop_back();
    any_left_ = !left_.empty();
  }
  leave();
  Slot::own = slot;
  Notification notification(kernel_, notify_fd_.get(), slots_.notification(*slot).get());
  if (!serve_stand_in(notification)) serve(std::move(notification), *slot);
  return true;
}

bool Session::receive_one() {
  if (any_left_ && !waiting_.draining() && serve_left()) return true;
  if (!waiting_.take_turn()) return false;
  Slot* const slot = own_slot();
  if (slot == nullptr) return false;
  // What was noted of the notification before is not to be taken for the next one's.
  slot->reset();
  slots_.empty(*slot);
  auto buffer = slots_.notification(*slot);
  waiting_.begin_receive();
  const Status received = kernel_.receive(notify_fd_.get(), buffer);
  const bool draining = waiting_.end_receive();
  if (received) {
    Notification notification(kernel_, notify_fd_.get(), buffer.get());
    // Also then: it is part of a call that is being served.
    if (serve_stand_in(notification)) return true;
    if (draining) {
      notification.answered_elsewhere();
      leave_open();
    } else {
      serve(std::move(notification), *slot);
    }
    return true;
  }
  switch (received.error().code) {
    case EINTR:  // stop() wants this thread, or it was meant for the call before
      return !waiting_.stopping();
    case ENOENT:  // the target went before it was received, or all of them did
      return !waiting_.stopping() && !hung_up();
    default:
      log::error("cannot receive notifications",
                 {{"container", container_id_}, {"error", received.error().message()}});
      return false;
  }
}

// Whether it was a stand-in's call.
bool Session::serve_stand_in(Notification& notification) {
  if (!tracer_.drives(notification.tid())) return false;
  waiting_.pass_turn();
  return tracer_.answer_stand_in(notification);
}

void Session::serve(Notification notification, Slot& slot) {
  const auto received = std::chrono::steady_clock::now();
  const bool suspicious = slot.suspicious();
  // By an earlier worker, which may have done what is to be told of.
  const bool owed = slot.owes_event();
  slot.count_attempt();
  Target target(kernel_, notification.tid());
  Call call{kernel_, supervision_, notification, target, waiting_, repeats_, slot, tracer_};

  const Syscall* syscall = supervision_.syscalls().find(notification.call().arch, notification.call().nr);
  // No filter of ours notifies what the index does not know.
  Outcome outcome;
  if (suspicious) {
    outcome = Outcome::failed(EPERM);
    outcome.reason = "serving it has killed the agent's worker before";
  } else if (syscall != nullptr) {
    outcome = decide(call, *syscall);
  } else {
    outcome = Outcome::failed(ENOSYS);
  }
  // What was performed was performed, whatever is thought of it now.
  if (const auto before = slot.recorded()) outcome.answer = *before;
  // Of a stand-in's call the target gets the result whatever becomes of us: noted here it would be taken for
  // that of the next call like it.
  if (!call.stand_in) slot.record(outcome.answer);
  // What was performed is to be known as that, should its answer be lost, before the call can come again.
  // And an execve that the kernel performs keeps this receiver until its end.
  // Nor is one who stands aside to call again before it is let go.
  if (!outcome.performed && !outcome.exec && !call.stand_in) waiting_.end();
  // While the target still waits: afterwards it may be gone, or be another program.
  Identity identity =
      !suspicious && may_be_told_of(outcome) ? identify(notification, target, received) : Identity{};
  if (syscall != nullptr && syscall->executes && outcome.answer.kind == Answer::Kind::kLetRun) {
    identities_->executing(notification, identity);
  }
  // Answering shows whether it did; but whom we kill takes no answer.
  const bool stood = outcome.answer.kind == Answer::Kind::kKill && notification.still_stands();

  if (may_be_told_of(outcome)) slot.owe_event();
  slot.begin_answer();
  const auto send = [&] { return answer(notification, call, outcome); };
  const Status answered = syscall != nullptr && syscall->executes ? start_.end_by(send) : send();
  if (outcome.exec && answered) finish_exec(outcome);
  const auto duration = std::chrono::steady_clock::now() - received;
  const bool abandoned = !answered && answered.error().code == ENOENT;
  if (abandoned && outcome.performed) repeats_.remember(*outcome.performed, outcome.answer);
  // After the answer: before it, the signal would take the target out of the call.
  if (answered && outcome.broken_pipe) (void)target.break_pipe();
  waiting_.end();
  if (!answered && !abandoned) {
    log::error("cannot answer a notification",
               {{"container", container_id_}, {"error", answered.error().message()}});
  }
  if (outcome.logged() && !outcome.repeated && !(abandoned && without_effect(outcome))) {
    // It may have gone before /proc was asked, and its number be another's.
    if (abandoned && !stood) identity = {};
    report(syscall, outcome, target.tid(), std::move(identity), received, duration);
  } else if (owed && abandoned && !outcome.repeated) {
    // Somebody answered in that worker's place, and nobody knows any more what there was to tell.
    events_.tell_lost(1);
  }
  slot.settle_event();
}

Identity Session::identify(const Notification& notification, const Target& target,
                           std::chrono::steady_clock::time_point received) {
  if (auto known = identities_->find(target.tid(), received)) return std::move(*known);
  waiting_.pass_turn();
  Identity identity = identities_->read(notification, target);
  // Which took more of it than a call does that comes after.
  give_back_stack();
  return identity;
}

Status Session::answer(Notification& notification, Call& call, Outcome& outcome) {
  if (call.stand_in) return finish_stand_in(notification, call, outcome);
  if (outcome.exec) {
    const auto went = outcome.exec->trace->let_go_on(notification);
    if (went && *went) return {};
    // It waits no more, so there is nobody to refuse.
    if (!went && went.error().code == ENOENT) return tl::unexpected(went.error());
    outcome.exec.reset();
    refuse_untraced(
        outcome, supervision_,
        went ? "it is not the agent's to trace" : "it cannot be traced: " + went.error().message());
    // What the agent could not find out it has not refused (exec.cc).
    if (supervision_.policy().mode == policy::Mode::kAudit) outcome.answer = Answer::let_run();
  }
  return notification.answer(outcome.answer, call.target);
}

Status Session::finish_stand_in(Notification& notification, Call& call, const Outcome& outcome) {
  notification.answered_elsewhere();
  const Answer& answer = outcome.answer;
  switch (answer.kind) {
    case Answer::Kind::kValue:
      return call.stand_in->finish(static_cast<long>(answer.value));
    case Answer::Kind::kErrno:
      return call.stand_in->finish(-static_cast<long>(answer.errno_value));
    case Answer::Kind::kKill:
    case Answer::Kind::kLetRun:
      break;  // not of what has a stand-in
  }
  return call.stand_in->finish(-EPERM);
}

bool Session::may_be_told_of(const Outcome& outcome) const {
  if (outcome.repeated) return false;
  return !outcome.decision || outcome.decision->log ||
         (outcome.exec && supervision_.policy().events.denied);  // it may have to be killed
}

void Session::finish_exec(Outcome& outcome) const {
  using End = ExecTrace::End;
  const End end = outcome.exec->trace->finish();
  switch (end.kind) {
    case End::Kind::kRuns:
      return;
    case End::Kind::kNotRun:
      if (end.errno_value != 0) outcome.answer = Answer::refuse(end.errno_value);
      outcome.reason = "the kernel did not run it";
      return;
    case End::Kind::kKilled:
      outcome.answer = Answer::kill();
      outcome.decision->verdict = policy::Verdict::kKill;
      outcome.decision->log = supervision_.policy().events.denied;
      outcome.reason = "the program or its arguments changed after they were decided on";
      return;
    case End::Kind::kAgain:
      outcome.repeated = true;  // it will be told of when it comes again
      return;
  }
}

void Session::report(const Syscall* syscall, const Outcome& outcome, pid_t tid, Identity identity,
                     std::chrono::steady_clock::time_point received, std::chrono::nanoseconds duration) {
  Event event;
  event.container = container_id_;
  event.policy = supervision_.policy().name;
  event.rule = outcome.decision ? outcome.decision->rule : std::string_view();
  event.syscall = syscall != nullptr ? std::string_view(syscall->name) : "unknown";
  event.category = syscall != nullptr ? syscall->category : policy::Category::kProcess;
  event.tid = tid;
  event.identity = std::move(identity);
  event.endpoint = outcome.endpoint;
  event.unix_name = outcome.unix_name;
  if (outcome.program) {
    event.path = outcome.program->path;
    event.argv = outcome.program->argv;
    event.argv_cut = outcome.program->cut;
  }
  event.reason = outcome.reason;
  event.size = outcome.size;
  event.verdict = verdict_of(outcome, supervision_.policy().mode);
  event.errno_value = errno_of(outcome);
  event.received = received;
  event.duration = duration;
  // A log that cannot keep up holds up nobody but who is to be told of.
  if (events_.full()) waiting_.pass_turn();
  // Only what lives as long as the policy may be looked at later.
  if (outcome.program || !outcome.unix_name.empty() || !outcome.reason.empty()) {
    events_.append(to_json_line(event));
  } else {
    events_.append(std::move(event));
  }
}

// Where an execve is on its way, one waits for what comes of it, and nobody else for that.
bool Session::starting() {
  if (start_.known_to_be_over()) return false;
  waiting_.pass_turn();
  return !start_.over();
}

Outcome Session::decide(Call& call, const Syscall& syscall) {
  const struct seccomp_data& data = call.notification.call();
  Outcome outcome;

  // The bundle's own profile comes first: what it refuses stays refused, whatever the policy says.
  if (const auto refused = supervision_.own_profile(syscall.name, data)) {
    outcome.answer = *refused;
    outcome.decision = policy::Decision{policy::Verdict::kDeny, refused->errno_value, "linux.seccomp",
                                        supervision_.policy().events.denied};
    return outcome;
  }

  outcome.decision = supervision_.decide_syscall(syscall, data);
  if (outcome.decision->verdict != policy::Verdict::kAllow && syscall.made_while_starting && starting()) {
    outcome.decision->verdict = policy::Verdict::kAllow;
    outcome.decision->log = false;
    outcome.answer = Answer::let_run();
    return outcome;
  }
  if (outcome.decision->verdict != policy::Verdict::kAllow) {
    outcome.answer = supervision_.settled(*outcome.decision).value_or(Answer::refuse(EPERM));
    return outcome;
  }

  if (supervision_.supervises(syscall.meaning)) {
    // The compiled filter leaves no such ABI; should one come all the same, nobody could tell what it asks.
    if (syscall.operation == nullptr) return Outcome::failed(ENOSYS);
    const bool log_call = outcome.decision->log;
    if (!waiting_.enter(call.notification)) return Outcome::failed(EAGAIN);
    outcome = syscall.operation->perform(call);
    if (outcome.decision && log_call) outcome.decision->log = true;
    return outcome;
  }
  // Decided from registers, which nobody can change any more: the kernel may run it.
  outcome.answer = Answer::let_run();
  return outcome;
}

}  // namespace tidewaiter::supervisor
