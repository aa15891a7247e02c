// socket_option FAMILY LEVEL NAME [BYTES]: makes a UDP socket of FAMILY (4 or 6) and sets an option of it,
// all numbers, the value in hexadecimal digits.
#include "probe.h"

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) usage("FAMILY LEVEL NAME [BYTES]");
  unsigned char value[64];
  const char* digits = argc == 5 ? argv[4] : "";
  const size_t length = strlen(digits) / 2;
  if (length > sizeof value) usage("FAMILY LEVEL NAME [BYTES]");
  for (size_t i = 0; i < length; i++) {
    if (sscanf(digits + 2 * i, "%2hhx", &value[i]) != 1) usage("FAMILY LEVEL NAME [BYTES]");
  }
  const int fd = open_socket(strcmp(argv[1], "6") == 0 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  return report("setsockopt", setsockopt(fd, atoi(argv[2]), atoi(argv[3]), value, (socklen_t)length));
}
