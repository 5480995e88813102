// SPDX-License-Identifier: Apache-2.0
// A host and an internet for network tests, apart from the real ones: two network namespaces and a cable between them. The
// test process itself lives on the "host"; the internet has public and private addresses, the metadata service of clouds and
// a name server, and answers on all of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace sandboxkit::test {

inline constexpr const char* public_server = "20.30.40.80";
inline constexpr const char* resolver_of_host = "20.30.40.53";
inline constexpr const char* host_public = "20.30.50.1";
inline constexpr const char* host_private = "192.168.99.1";
// On the internet's side, so that only the filter keeps a sandbox from them.
const std::vector<std::string>& forbidden_servers();

class NetworkStage {
public:
    // Moves this process, which has one thread yet, into the host's namespace. Not empty: why it cannot be.
    std::string enter();
    ~NetworkStage();

private:
    pid_t internet_ = -1;
    pid_t services_ = -1;
};

// From the host: what the server says, or empty.
std::string ask_tcp(const std::string& address, std::uint16_t port);

} // namespace sandboxkit::test
