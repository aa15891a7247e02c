#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "escape.h"

// A UDP datagram of one byte from the friend to the stranger, with its IPv4 header, as it goes over the wire.
// Returns its size, 29 bytes.
static inline size_t write_packet(unsigned char* packet) {
  const struct sockaddr_in from = the_friend(), to = stranger();
  memset(packet, 0, 29);
  packet[0] = 0x45;  // version 4, a header of 5 words
  packet[3] = 29;
  packet[8] = 64;  // time to live
  packet[9] = IPPROTO_UDP;
  memcpy(packet + 12, &from.sin_addr, 4);
  memcpy(packet + 16, &to.sin_addr, 4);
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += (uint32_t)packet[i] << 8 | packet[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~sum & 0xffff;
  packet[10] = (unsigned char)(sum >> 8);
  packet[11] = (unsigned char)sum;
  memcpy(packet + 20, &to.sin_port, 2);
  memcpy(packet + 22, &to.sin_port, 2);
  packet[25] = 9;  // the length; a checksum of 0 is none
  packet[28] = 'x';
  return 29;
}
