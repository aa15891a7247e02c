// send_message WHAT: sendmsg over a pair of Unix sockets, where whoever sends shows: its descriptors, its
// credentials, its signals, its time. Prints what came of it, which is the same with and without a
// supervisor.
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "probe.h"

static int ends[2];
static volatile sig_atomic_t signals;

static void count_signal(int number) {
  (void)number;
  signals++;
}

static void make_pair(int type) {
  if (socketpair(AF_UNIX, type, 0, ends) < 0) broken("socketpair");
}

static long send_bytes(void* bytes, size_t size, void* control, size_t control_size, int flags) {
  struct iovec data = {.iov_base = bytes, .iov_len = size};
  const struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = control_size};
  return sendmsg(ends[0], &message, flags);
}

// One control message of type `type`.
static long send_control(int type, const void* what, size_t size) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  memset(&control, 0, sizeof control);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = type;
  control.header.cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(&control.header), what, size);
  return send_bytes("x", 1, &control, CMSG_SPACE(size), 0);
}

// Receives one message; what came in its control message of type `type` goes to `what`.
static int receive_control(int type, void* what, size_t size) {
  char byte;
  union {
    struct cmsghdr header;
    char bytes[256];
  } control;
  struct iovec data = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(ends[1], &message, 0) != 1) broken("recvmsg");
  for (struct cmsghdr* at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != type) continue;
    memcpy(what, CMSG_DATA(at), size);
    return 1;
  }
  return 0;
}

static int rights(void) {
  make_pair(SOCK_STREAM);
  int channel[2];
  if (pipe(channel) < 0) broken("pipe");
  if (send_control(SCM_RIGHTS, &channel[1], sizeof channel[1]) < 0) return report("rights", -1);
  int received = -1;
  if (!receive_control(SCM_RIGHTS, &received, sizeof received)) broken("no descriptor came");
  char byte = 0;
  if (write(received, "y", 1) != 1 || read(channel[0], &byte, 1) != 1) broken("the descriptor that came");
  const int nothing = 999;
  printf("a %c through the descriptor; ", byte);
  return report("none of ours", send_control(SCM_RIGHTS, &nothing, sizeof nothing)) == 1 ? 0 : 1;
}

static void pass_credentials(void) {
  const int on = 1;
  if (setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) broken("SO_PASSCRED");
}

static const char* whose(const struct ucred* one) {
  return one->pid == getpid() && one->uid == getuid() && one->gid == getgid() ? "ours" : "somebody else's";
}

// Whose the kernel says a message is; and whose, when the message says so itself.
static int credentials(void) {
  make_pair(SOCK_DGRAM);
  pass_credentials();
  struct ucred one = {0};
  if (send_bytes("x", 1, NULL, 0, 0) < 0) return report("sendmsg", -1);
  if (!receive_control(SCM_CREDENTIALS, &one, sizeof one)) broken("no credentials came");
  printf("%s; ", whose(&one));
  const struct ucred named = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
  memset(&one, 0, sizeof one);
  if (send_control(SCM_CREDENTIALS, &named, sizeof named) < 0) return report("named", -1);
  if (!receive_control(SCM_CREDENTIALS, &one, sizeof one)) broken("no credentials came");
  printf("%s\n", whose(&one));
  return 0;
}

// As an ordinary user, who may not.
static int forge(void) {
  make_pair(SOCK_DGRAM);
  pass_credentials();
  if (setgid(1000) < 0 || setuid(1000) < 0) broken("setuid");
  const struct ucred process = {.pid = getpid() == 1 ? 2 : 1, .uid = 1000, .gid = 1000};
  const struct ucred user = {.pid = getpid(), .uid = 0, .gid = 1000};
  const struct ucred group = {.pid = getpid(), .uid = 1000, .gid = 0};
  report("process", send_control(SCM_CREDENTIALS, &process, sizeof process));
  report("user", send_control(SCM_CREDENTIALS, &user, sizeof user));
  report("group", send_control(SCM_CREDENTIALS, &group, sizeof group));
  return 0;
}

static int broken_pipe(int flags) {
  make_pair(SOCK_STREAM);
  close(ends[1]);
  signal(SIGPIPE, count_signal);
  report("sendmsg", send_bytes("x", 1, NULL, 0, flags));
  // It may come right after the answer.
  const struct timespec moment = {.tv_nsec = 1000000};
  for (int i = 0; i < 200 && signals == 0 && flags == 0; i++) nanosleep(&moment, NULL);
  printf("%d signals\n", (int)signals);
  return 0;
}

static int full(void) {
  make_pair(SOCK_STREAM);
  static char much[1 << 16];
  long count = 0;
  while (send_bytes(much, sizeof much, NULL, 0, MSG_DONTWAIT) > 0) count++;
  if (count == 0) broken("nothing was sent");
  report("MSG_DONTWAIT", -1);
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) broken("fcntl");
  report("O_NONBLOCK", send_bytes(much, sizeof much, NULL, 0, 0));
  return 0;
}

enum { MUCH = 3 << 20 };
static unsigned char much[MUCH];

struct sending {
  int fd;
  long result;
};

static void* send_much(void* one) {
  struct sending* sending = one;
  struct iovec data = {.iov_base = much, .iov_len = MUCH};
  const struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  sending->result = sendmsg(sending->fd, &message, 0);
  return NULL;
}

// Reads it all: 1 when it is what was sent.
static int read_much(int fd) {
  static unsigned char piece[1 << 16];
  long total = 0;
  while (total < MUCH) {
    const long count = read(fd, piece, sizeof piece);
    if (count <= 0) broken("read");
    if (memcmp(piece, much + total, (size_t)count) != 0) return 0;
    total += count;
  }
  return 1;
}

// A send that waits for its reader, and others meanwhile.
static int waiting(int others) {
  make_pair(SOCK_STREAM);
  for (int i = 0; i < MUCH; i++) much[i] = (unsigned char)(i % 251);
  struct sending sending = {.fd = ends[0]};
  const int read_end = ends[1];
  pthread_t sender;
  if (pthread_create(&sender, NULL, send_much, &sending) != 0) broken("thread");
  int done = 0;
  for (int i = 0; i < others; i++) {
    make_pair(SOCK_STREAM);
    done += send_bytes("x", 1, NULL, 0, 0) == 1;
    close(ends[0]);
    close(ends[1]);
  }
  const int same = read_much(read_end);
  if (pthread_join(sender, NULL) != 0) broken("join");
  printf("%ld bytes, %s, and %d others meanwhile\n", sending.result, same ? "as sent" : "changed", done);
  return 0;
}

static void* interrupt_often(void* thread) {
  const struct timespec moment = {.tv_nsec = 2000000};
  for (int i = 0; i < 100; i++) {
    pthread_kill(*(pthread_t*)thread, SIGUSR1);
    nanosleep(&moment, NULL);
  }
  return NULL;
}

// Datagrams that signals with SA_RESTART take out of their calls: each arrives, and once. But whom a signal
// and the answer reach in one moment the kernel takes for interrupted, although it told the agent that the
// answer was given (seccomp_do_user_notification, kernel/seccomp.c): then the call that it restarts is one
// like any other. With 100 signals that happens once in some fifty runs, where the processors are busy.
static int restarted(void) {
  make_pair(SOCK_DGRAM);
  struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
  if (sigaction(SIGUSR1, &action, NULL) < 0) broken("sigaction");
  pthread_t self = pthread_self();
  pthread_t interrupting;
  if (pthread_create(&interrupting, NULL, interrupt_often, &self) != 0) broken("thread");
  enum { TIMES = 3000 };
  enum { MAY_COME_TWICE = 2 };
  int wrong = 0;
  int twice = 0;
  for (int i = 0; i < TIMES; i++) {
    if (send_bytes(&i, sizeof i, NULL, 0, 0) != (long)sizeof i) broken("sendmsg");
    int got = -1;
    int arrived = 0;
    int others = 0;
    while (recv(ends[1], &got, sizeof got, MSG_DONTWAIT) == (long)sizeof got) {
      arrived++;
      others += got != i;
    }
    if (arrived == 2 && others == 0)
      twice++;
    else if (arrived != 1 || others != 0)
      wrong++;
  }
  if (pthread_join(interrupting, NULL) != 0) broken("join");
  // The same line whether any came twice or not, for it is compared.
  printf("%d datagrams, %d lost or changed, ", TIMES, wrong);
  if (twice <= MAY_COME_TWICE)
    printf("at most %d twice", MAY_COME_TWICE);
  else
    printf("%d twice", twice);
  printf(", %s signals\n", signals > 0 ? "with" : "without");
  return 0;
}

// Asks the kernel for the interfaces, or to set the first one down.
static int netlink(int type) {
  ends[0] = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (ends[0] < 0) broken("socket");
  struct {
    struct nlmsghdr header;
    struct ifinfomsg what;
  } request = {.header = {.nlmsg_len = sizeof request,
                          .nlmsg_type = (unsigned short)type,
                          .nlmsg_flags = NLM_F_REQUEST},
               .what = {.ifi_index = 1, .ifi_change = 1}};
  if (type != RTM_GETLINK) request.header.nlmsg_flags |= NLM_F_ACK;
  if (send_bytes(&request, sizeof request, NULL, 0, 0) < 0) return report("netlink", -1);
  union {
    struct nlmsghdr header;
    char bytes[8192];
  } answer;
  if (recv(ends[0], &answer, sizeof answer, 0) < (long)sizeof answer.header) broken("recv");
  if (answer.header.nlmsg_type != NLMSG_ERROR) return report("netlink", 0);
  errno = -((struct nlmsgerr*)NLMSG_DATA(&answer.header))->error;
  return report("netlink", errno == 0 ? 0 : -1);
}

int main(int argc, char** argv) {
  const char* what = argc == 2 ? argv[1] : "";
  if (strcmp(what, "rights") == 0) return rights();
  if (strcmp(what, "credentials") == 0) return credentials();
  if (strcmp(what, "forge") == 0) return forge();
  if (strcmp(what, "pipe") == 0) return broken_pipe(0);
  if (strcmp(what, "pipe-quiet") == 0) return broken_pipe(MSG_NOSIGNAL);
  if (strcmp(what, "full") == 0) return full();
  if (strcmp(what, "waiting") == 0) return waiting(200);
  if (strcmp(what, "restarted") == 0) return restarted();
  if (strcmp(what, "ask-netlink") == 0) return netlink(RTM_GETLINK);
  if (strcmp(what, "change-netlink") == 0) return netlink(RTM_NEWLINK);
  usage("rights|credentials|forge|pipe|pipe-quiet|full|waiting|restarted|ask-netlink|change-netlink");
}
