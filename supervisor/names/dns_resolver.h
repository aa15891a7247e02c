#pragma once

#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

// The machine's own way to resolve: /etc/hosts, then the servers and search domains of /etc/resolv.conf, both
// read anew each time. By c-ares, since getaddrinfo(3) gives no TTL and cannot be ended; what else
// /etc/nsswitch.conf may name (mDNS, LDAP, …) is not asked. For any thread.
Resolver& dns_resolver();

}  // namespace tidewaiter::supervisor
