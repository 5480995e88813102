// SPDX-License-Identifier: Apache-2.0
#include "net/http_proxy.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace sandboxkit::net {

namespace {

std::string base64(const std::string& bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0'); // and OpenSSL's zero at the end
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
    text.pop_back();
    return text;
}

} // namespace

std::string authority_of(const std::string& host, std::uint16_t port) {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<std::string> encode_connect(const HttpProxy& proxy, const std::string& host, std::uint16_t port) {
    const bool visible = std::ranges::all_of(host, [](char c) { return c > 0x20 && c < 0x7f; });
    constexpr std::size_t credentials_limit = 4096;
    if (!visible || proxy.user.find(':') != std::string::npos || proxy.user.size() + proxy.password.size() > credentials_limit)
        return Error{
            ErrorClass::invalid, "http_target", "a proxy cannot be asked for this host, or with these credentials", "", "", {}};
    const std::string authority = authority_of(host, port);
    std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!proxy.user.empty()) request += "Proxy-Authorization: Basic " + base64(proxy.user + ":" + proxy.password) + "\r\n";
    return request + "\r\n";
}

} // namespace sandboxkit::net
