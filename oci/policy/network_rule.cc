#include "oci/policy/network_rule.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "oci/policy/address.h"
#include "oci/policy/glob.h"
#include "oci/policy/meant.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::size_t kMaxHostName = 253;  // RFC 1035, section 2.3.4, without the length octets
constexpr std::size_t kMaxLabel = 63;

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxAbstractName = 107;  // sun_path without the NUL in front (unix(7))

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_letter(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); }
bool is_hex_digit(char c) { return is_digit(c) || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F'); }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// What lies between the separators: always at least one piece.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// A decimal number without sign or leading zeros: "080" is 80 to some readers and 64 to others.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit))
    return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  unsigned value = 0;
  for (const char digit : text) value = value * 10 + static_cast<unsigned>(digit - '0');
  return value <= max ? std::optional(value) : std::nullopt;
}

Result<std::vector<PortRange>> parse_ports(std::string_view text);

// `; write "80"`: what is no port, and means one.
std::string port_hint(std::string_view text) {
  const auto write = [](std::string_view ports) {
    return parse_ports(ports) ? "; write \"" + std::string(ports) + "\"" : std::string();
  };
  if (const unsigned port = service_port(text); port != 0) return write(std::to_string(port));
  if (text == "all" || text == "any" || text == "**") return write("*");
  const std::size_t first = text.find_first_not_of(' ');
  const std::size_t last = text.find_last_not_of(' ');
  if (first != std::string_view::npos && last + 1 - first < text.size() &&
      parse_decimal(text.substr(first, last + 1 - first), 65535))
    return "; leave out the space";
  if (text.size() > 1 && text.front() == '>' && parse_decimal(text.substr(1), 65534))
    return write(std::to_string(*parse_decimal(text.substr(1), 65534) + 1) + "-65535");
  if (text.size() > 1 && text.back() == '+' && parse_decimal(text.substr(0, text.size() - 1), 65535))
    return write(std::string(text.substr(0, text.size() - 1)) + "-65535");
  // Leading zeros.
  const std::size_t digits = text.find_first_not_of('0');
  if (digits != std::string_view::npos && digits > 0 && parse_decimal(text.substr(digits), 65535))
    return write(text.substr(digits));
  for (const std::string_view separator : {":", "..", "–", "/"}) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + separator.size());
    if (!parse_decimal(text.substr(0, at), 65535)) return {};
    if (separator != "/" && parse_decimal(rest, 65535))
      return write(std::string(text.substr(0, at)) + "-" + std::string(rest));
  }
  return {};
}

Result<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_decimal(text, 65535);
  if (!port)
    return fail("expected a port from 0 to 65535 in decimal, found " + quote(text) + port_hint(text));
  return static_cast<std::uint16_t>(*port);
}

Result<std::vector<PortRange>> parse_ports(std::string_view text) {
  if (text == "*") return std::vector<PortRange>{PortRange{}};
  std::vector<PortRange> ranges;
  for (const std::string_view item : split(text, ',')) {
    if (item.empty())
      return fail("expected ports as in \"443\", \"80,443\", \"8000-8010\" or \"*\", found " + quote(text));
    const std::size_t dash = item.find('-');
    if (dash != std::string_view::npos && dash > 0 && dash + 1 == item.size() &&
        parse_decimal(item.substr(0, dash), 65535))
      return fail("the range " + quote(item) + " has no end; write \"" + std::string(item) + "65535\"");
    const std::uint16_t first = TRY(parse_port(item.substr(0, dash)));
    const std::uint16_t last =
        dash == std::string_view::npos ? first : TRY(parse_port(item.substr(dash + 1)));
    if (first > last)
      return fail("the range " + quote(item) + " is empty; write \"" + std::to_string(last) + "-" +
                  std::to_string(first) + "\"");
    ranges.push_back({first, last});
  }
  return ranges;
}

// What follows the colon behind the target.
Result<std::vector<PortRange>> parse_destination_ports(std::string_view text, const NetworkRule& rule) {
  if (rule.icmp) return fail("ICMP has no ports; leave out " + quote(":" + std::string(text)));
  std::vector<PortRange> ranges = TRY(parse_ports(text));
  if (text != "*" &&
      std::any_of(ranges.begin(), ranges.end(), [](const PortRange& range) { return range.first == 0; }))
    return fail("port 0 cannot be connected to; ports here are 1 to 65535, or \"*\" for all");
  return ranges;
}

// As parse_address, but a mapped address stays IPv6: a prefix length counts its bits.
std::optional<IpAddress> parse_unconverted(std::string_view text) {
  auto address = parse_address(text);
  if (!address || address->family == IpAddress::Family::kIpv6 || text.find(':') == std::string_view::npos)
    return address;
  IpAddress mapped;
  mapped.family = IpAddress::Family::kIpv6;
  ::inet_pton(AF_INET6, std::string(text).c_str(), mapped.bytes.data());
  return mapped;
}

// Whether inet_aton(3), or a URL parser, would take `text` for an IPv4 address: its last label is a number.
bool looks_numeric(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? text : text.substr(dot + 1);
  if (last.empty()) return false;
  if (std::all_of(last.begin(), last.end(), is_digit)) return true;
  return last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') &&
         std::all_of(last.begin() + 2, last.end(), is_hex_digit);
}

// What stands around the host of a rule, for advice to be a whole rule: without its scheme or ports it would
// allow, or refuse, more than was meant.
struct Around {
  std::string_view scheme;  // "tcp://"
  std::string_view ports;   // ":443"

  // `host` as what is to be written, in quotes: "tcp://[2001:db8::1]:443".
  [[nodiscard]] std::string with(const std::string& host) const {
    const bool brackets = !ports.empty() && host.find(':') != std::string::npos;
    return quote(std::string(scheme) + (brackets ? "[" + host + "]" : host) + std::string(ports));
  }
};

// An address, with spaces in front or behind.
bool is_spaced_address(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  const std::size_t last = text.find_last_not_of(' ');
  return first != std::string_view::npos && last + 1 - first < text.size() &&
         parse_address(text.substr(first, last + 1 - first)).has_value();
}

std::string not_an_address(std::string_view text) {
  if (is_spaced_address(text)) return quote(text) + " is not an address; leave out the space";
  return quote(text) +
         " is not an IPv4 address; write four decimal numbers from 0 to 255, as in \"192.0.2.1\"";
}

std::string not_one_address(std::string_view text, const Around& around) {
  struct in_addr meant {};
  if (::inet_aton(std::string(text).c_str(), &meant) == 0) return not_an_address(text);
  IpAddress address;
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&meant.s_addr), 4, address.bytes.begin());
  return quote(text) +
         " is a short or octal form of an IPv4 address, which programs read differently; write " +
         around.with(to_string(address)) + " if you mean that";
}

Result<Prefix> parse_one_address(const IpAddress& address, const Around& around) {
  if (as_destination(address) != address)
    return fail("\"" + to_string(address) + "\" as a destination means this host; write " +
                around.with(to_string(as_destination(address))));
  return Prefix{address, bit_count(address.family)};
}

// `; write "10.0.0.0/8"`, for 10.0.0.0/255.0.0.0.
std::string netmask_hint(std::string_view address, std::string_view mask_text, const Around& around) {
  const auto mask = parse_address(mask_text);
  const auto host = parse_address(address);
  if (!mask || !host || mask->family != IpAddress::Family::kIpv4 || host->family != mask->family) return {};
  for (unsigned length = 0; length <= 32; ++length) {
    IpAddress ones;
    ones.bytes = {0xff, 0xff, 0xff, 0xff};
    if (network_of(ones, length) == *mask)
      return "; write " + around.with(to_string(network_of(*host, length)) + "/" + std::to_string(length));
  }
  return {};
}

// `; write "[2001:db8::/32]:443"`, for an IPv6 network with ports behind it and no brackets.
std::string bracket_hint(std::string_view network, std::string_view length, const Around& around) {
  const std::size_t colon = length.find(':');
  if (colon == std::string_view::npos || !around.ports.empty()) return {};
  const std::string rule = std::string(around.scheme) + "[" + std::string(network) + "/" +
                           std::string(length.substr(0, colon)) + "]" + std::string(length.substr(colon));
  return parse_network_rule(rule) ? "; write " + quote(rule) : std::string();
}

Result<Prefix> parse_cidr(std::string_view text, const Around& around) {
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const std::string_view length_text = text.substr(slash + 1);
  const auto address = parse_unconverted(address_text);
  if (!address) {
    if (address_text.empty())
      return fail("expected an IP address before the \"/\" of a CIDR, found " + quote(text) +
                  "; for a Unix socket write " + quote("unix:" + std::string(text)));
    if (looks_numeric(address_text) || is_spaced_address(address_text))
      return fail(not_an_address(address_text));
    return fail("expected an IP address before the \"/\" of a CIDR, found " + quote(address_text) +
                (parse_decimal(length_text, 128) ? "" : "; a rule names hosts, not what lies on them"));
  }
  const unsigned max = bit_count(address->family);
  const auto length = parse_decimal(length_text, max);
  if (!length)
    return fail("expected a prefix length from 0 to " + std::to_string(max) + ", found " +
                quote(length_text) + netmask_hint(address_text, length_text, around) +
                bracket_hint(address_text, length_text, around));
  const IpAddress network = network_of(*address, *length);
  if (network != *address)
    return fail(quote(text) + " has bits set beyond its prefix length; write " +
                around.with(to_string(network) + "/" + std::to_string(*length)) + " for the network, or " +
                around.with(std::string(address_text)) + " for the one address");
  const IpAddress plain = unmapped(network);
  if (*length == max) return parse_one_address(plain, around);
  return Prefix{plain, plain.family == network.family ? *length : *length - 96};
}

Result<Prefix> parse_ipv6_target(std::string_view text, std::string_view rule, const Around& around) {
  if (text.find('%') != std::string_view::npos)
    return fail("a scope id cannot be part of a rule; leave out " + quote(text.substr(text.find('%'))));
  if (text.find('/') != std::string_view::npos) return parse_cidr(text, around);
  if (const auto address = parse_address(text)) return parse_one_address(*address, around);
  return fail("expected an IPv6 address, in brackets when ports follow, as in \"[2001:db8::1]:443\", found " +
              quote(rule));
}

// `; write "10.1.0.0/16"`, for 10.1.*; none for other stars.
std::string star_hint(std::string_view text, const Around& around) {
  std::vector<std::string_view> parts = split(text, '.');
  std::string network;
  std::size_t numbers = 0;
  while (numbers < parts.size() && parse_decimal(parts[numbers], 255)) {
    network += std::string(parts[numbers]) + ".";
    ++numbers;
  }
  const bool stars = numbers > 0 && numbers < parts.size() && parts.size() <= 4 &&
                     std::all_of(parts.begin() + static_cast<std::ptrdiff_t>(numbers), parts.end(),
                                 [](std::string_view part) { return part == "*"; });
  if (!stars) return {};
  for (std::size_t i = numbers; i < 4; ++i) network += i == 3 ? "0" : "0.";
  return "; write " + around.with(network + "/" + std::to_string(numbers * 8));
}

// What to write instead of a host name with a letter that none has.
std::string letter_hint(std::string_view text) {
  if (text.front() == '@') return "; for an abstract Unix socket write " + quote("unix:" + std::string(text));
  if (text.front() == '$') return "; variables are not replaced here";
  if (const std::size_t at = text.find('@'); at != std::string_view::npos)
    return "; a rule has no user: leave out " + quote(text.substr(0, at + 1));
  if (text.find(',') != std::string_view::npos) return "; write a rule for each";
  return {};
}

// Two addresses with a hyphen between them.
bool is_address_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  return dash != std::string_view::npos && parse_address(text.substr(0, dash)) &&
         looks_numeric(text.substr(dash + 1));
}

Result<HostName> parse_host_name_within(std::string_view text, const Around& around) {
  // The dot at the end says that no search domain is to be appended.
  std::string name = lower_case(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  if (name.find('*') != std::string::npos)
    return fail("expected a whole host name or \"*\", found " + quote(text) +
                "; a \"*\" within a name is not supported" + star_hint(text, around));
  if (is_address_range(text))
    return fail("expected one address or a CIDR, found the range " + quote(text) +
                "; write the CIDRs it is made of");
  if (looks_numeric(name)) return fail(not_one_address(text, around));
  for (const char c : name) {
    if (static_cast<unsigned char>(c) >= 0x80)
      return fail("expected a host name in ASCII, found " + quote(text) +
                  "; write its punycode form (xn--…)");
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.')
      return fail("expected a host name, an IP address, a CIDR or \"*\", found " + quote(text) +
                  ", which contains " + quote(std::string_view(&c, 1)) + letter_hint(text));
  }
  if (name.size() > kMaxHostName)
    return fail("a host name has at most " + std::to_string(kMaxHostName) + " characters, found " +
                std::to_string(name.size()));
  TRY(check_host_parts(text));
  return HostName{std::move(name)};
}

using Host = std::variant<AnyHost, Prefix, HostName>;

Result<Host> parse_target(std::string_view text, const Around& around) {
  if (text == "*") return AnyHost{};
  if (text.find('/') != std::string_view::npos) return TRY(parse_cidr(text, around));
  if (const auto address = parse_address(text)) return TRY(parse_one_address(*address, around));
  return TRY(parse_host_name_within(text, around));
}

// "::1:443" is the address 0:0:0:0:0:0:1:443. In ::/96, where ::1 is the only address in use (RFC 4291,
// section 2.5.5.1), such a rule can only mean a port.
Status check_forgotten_brackets(std::string_view text, const Prefix& prefix, std::string_view scheme) {
  const bool in_low_96 =
      prefix.length == 128 && Prefix{{.family = IpAddress::Family::kIpv6}, 96}.contains(prefix.address);
  if (!in_low_96 || prefix.address == *parse_address("::1")) return {};
  const std::size_t colon = text.rfind(':');
  return fail(quote(text) + " is an address that no host has; write \"" + std::string(scheme) + "[" +
              std::string(text.substr(0, colon)) + "]" + std::string(text.substr(colon)) +
              "\" for an address and a port");
}

// What the rule is for a URL, `rest` of which follows "scheme://".
std::string scheme_hint(std::string_view scheme, std::string_view rest) {
  const auto write = [](const std::string& rule) {
    return parse_network_rule(rule) ? "; write " + quote(rule) : std::string();
  };
  const std::string lower = lower_case(scheme);
  if (lower == "tcp" || lower == "udp" || lower == "icmp") return write(lower + "://" + std::string(rest));
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.empty()) return {};
  for (const std::string_view transport : {"tcp", "udp"})
    if (lower == std::string(transport) + "4" || lower == std::string(transport) + "6")
      return write(std::string(transport) + "://" + std::string(host));
  if (lower == "quic") return write("udp://" + std::string(host));
  const unsigned port = service_port(scheme);
  if (port == 0) return {};
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return write(std::string(service_scheme(scheme)) + std::string(host) +
               (has_port ? "" : ":" + std::to_string(port)));
}

// "tcp:host:443" for "tcp://host:443". With one colon it is a host name and a port.
Status check_forgotten_slashes(std::string_view text) {
  for (const std::string_view scheme : {"tcp:", "udp:", "icmp:"}) {
    if (!text.starts_with(scheme) || text.substr(scheme.size()).starts_with("//")) continue;
    std::string_view rest = text.substr(scheme.size());
    while (rest.starts_with('/')) rest.remove_prefix(1);
    const bool one_colon = rest.find(':') == std::string_view::npos;
    if (rest.empty() || (one_colon && parse_decimal(rest, 65535))) continue;
    return fail("expected \"//\" behind " + quote(scheme) + ", found " + quote(text) + "; write " +
                quote(std::string(scheme) + "//" + std::string(rest)));
  }
  return {};
}

// "host:443/tcp", as ports are written for podman and in Kubernetes.
Status check_transport_behind(std::string_view text) {
  for (const std::string_view transport : {"/tcp", "/udp"}) {
    const std::size_t colon = text.rfind(':');
    if (!text.ends_with(transport) || colon == std::string_view::npos) continue;
    const std::string_view ports = text.substr(colon + 1, text.size() - transport.size() - colon - 1);
    if (ports.empty() || text.find("://") != std::string_view::npos) continue;
    return fail("expected the transport in front, found " + quote(text) + "; write " +
                quote(std::string(transport.substr(1)) + "://" +
                      std::string(text.substr(0, text.size() - transport.size()))));
  }
  return {};
}

// Takes the scheme off `text`.
Status parse_scheme(std::string_view& text, NetworkRule& rule) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos) return {};
  const std::string_view scheme = text.substr(0, end);
  text.remove_prefix(end + 3);
  if (scheme != "tcp" && scheme != "udp" && scheme != "icmp")
    return fail(
        "expected \"tcp://\", \"udp://\", \"icmp://\", \"unix:\" or no scheme for TCP and UDP, found " +
        quote(std::string(scheme) + "://") + scheme_hint(scheme, text));
  rule.tcp = scheme == "tcp";
  rule.udp = scheme == "udp";
  rule.icmp = scheme == "icmp";
  return {};
}

// An address or a transport in front of the ports to bind, or a transport behind them.
Status check_ports_alone(std::string_view text) {
  std::string_view ports = text;
  if (const std::size_t scheme = ports.find("://"); scheme != std::string_view::npos)
    ports.remove_prefix(scheme + 3);
  for (const std::string_view transport : {"/tcp", "/udp"})
    if (ports.ends_with(transport)) ports.remove_suffix(transport.size());
  if (const std::size_t colon = ports.rfind(':'); colon != std::string_view::npos) {
    // "8000:8010" is a range in some firewalls.
    if (parse_decimal(ports.substr(0, colon), 65535)) return {};
    ports.remove_prefix(colon + 1);
  }
  if (ports == text || !parse_ports(ports)) return {};
  return fail("expected ports alone, which are those of TCP and UDP at every address, found " + quote(text) +
              "; write " + quote(ports));
}

}  // namespace

Status check_host_parts(std::string_view text) {
  const std::string name = lower_case(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  for (const std::string_view label : split(name, '.')) {
    if (label.empty())
      return fail("the host name " + quote(text) +
                  " has an empty part; expected one as in \"api.example.com\"");
    if (label.size() > kMaxLabel)
      return fail("a part of a host name has at most " + std::to_string(kMaxLabel) + " characters, found " +
                  quote(label));
    if (label.front() == '-' || label.back() == '-')
      return fail("a part of a host name cannot begin or end with \"-\", found " + quote(label));
  }
  return {};
}

Result<HostName> parse_host_name(std::string_view text) { return parse_host_name_within(text, {}); }

Result<NetworkRule> parse_network_rule(std::string_view text) {
  NetworkRule rule;
  rule.text = text;
  rule.ports = {PortRange{}};
  std::string_view rest = text;
  TRY(check_forgotten_slashes(text));
  TRY(check_transport_behind(text));
  TRY(parse_scheme(rest, rule));
  const std::string_view scheme = text.substr(0, text.size() - rest.size());
  if (rest.empty() || rest.starts_with('!'))
    return fail("expected a host name, an IP address, a CIDR or \"*\", found " + quote(text) +
                (rest.empty() ? "" : "; what is refused goes into \"deny\""));

  if (rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return fail("the bracket in " + quote(text) + " is not closed");
    const std::string_view inside = rest.substr(1, end - 1);
    const std::string_view after = rest.substr(end + 1);
    if (inside.find(':') == std::string_view::npos)
      return fail("brackets are for IPv6 addresses, found " + quote(inside));
    if (after.starts_with('/'))
      return fail(
          "the prefix length belongs inside the brackets; write " +
          quote(
              std::string(scheme) + "[" + std::string(inside) +
              std::string(after.substr(0, after.find(':'))) + "]" +
              (after.find(':') == std::string_view::npos ? "" : std::string(after.substr(after.find(':'))))));
    if (!after.empty() && after.front() != ':')
      return fail("expected \":\" and ports, or nothing, after the bracket, found " + quote(after));
    rule.host = TRY(parse_ipv6_target(inside, text, {scheme, after}));
    if (!after.empty()) rule.ports = TRY(parse_destination_ports(after.substr(1), rule));
    return rule;
  }

  const auto colons = std::count(rest.begin(), rest.end(), ':');
  if (colons > 1) {
    rule.host = TRY(parse_ipv6_target(rest, text, {scheme, ""}));
    TRY(check_forgotten_brackets(rest, std::get<Prefix>(rule.host), scheme));
    return rule;
  }
  const std::size_t colon = rest.find(':');
  if (colon == 0)
    return fail("expected a host in front of the ports, found " + quote(text) + "; for every host write " +
                quote(std::string(scheme) + "*" + std::string(rest)));
  const std::string_view ports = colon == std::string_view::npos ? "" : rest.substr(colon);
  rule.host = TRY(parse_target(rest.substr(0, colon), {scheme, ports}));
  if (colon != std::string_view::npos)
    rule.ports = TRY(parse_destination_ports(rest.substr(colon + 1), rule));
  return rule;
}

bool is_unix_rule(std::string_view text) { return text.starts_with(kUnix); }

Result<UnixRule> parse_unix_rule(std::string_view text) {
  UnixRule rule;
  rule.text = text;
  std::string_view rest = text.substr(kUnix.size());
  rule.abstract = rest.starts_with('@');
  if (rule.abstract) rest.remove_prefix(1);
  rule.name = rest;
  if (rest.find('\0') != std::string_view::npos)
    return fail("the name of a Unix socket in a rule cannot contain a NUL, found " + quote(text));
  if (rule.abstract) {
    if (rest.empty())
      return fail("expected an abstract name after \"unix:@\", or \"unix:@*\" for all of them, found " +
                  quote(text));
    if (rest.size() > kMaxAbstractName)
      return fail("an abstract name has at most " + std::to_string(kMaxAbstractName) + " bytes, found " +
                  std::to_string(rest.size()));
    return rule;
  }
  if (rest.starts_with("//") && rest.find_first_not_of('/') != std::string_view::npos)
    return fail("expected \"unix:\" and a path, found " + quote(text) + "; write \"unix:/" +
                std::string(rest.substr(rest.find_first_not_of('/'))) + "\"");
  if (rest.empty() || (!rest.starts_with('/') && !rest.starts_with("**")))
    return fail(
        "expected an absolute path, a glob over one, or \"@\" and an abstract name after \"unix:\", as in "
        "\"unix:/run/pg/*\" or \"unix:@name\", found " +
        quote(text));
  TRY(check_path_glob(rest, "socket"));
  return rule;
}

Result<BindRule> parse_bind_rule(std::string_view text) {
  BindRule rule;
  rule.text = text;
  TRY(check_ports_alone(text));
  rule.ports = TRY(parse_ports(text));
  return rule;
}

}  // namespace tidewaiter::policy
