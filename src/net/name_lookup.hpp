// SPDX-License-Identifier: Apache-2.0
// The addresses of a host name, with a time limit and cancellation.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sandboxkit::net {

struct Addresses {
    boost::system::error_code error;                       // timed_out: the deadline; operation_aborted: cancelled
    std::vector<boost::asio::ip::tcp::endpoint> endpoints; // in the resolver's order of preference
};

// An address, IPv6 without brackets, is not looked up.
boost::asio::awaitable<Addresses> look_up(boost::asio::any_io_executor executor, std::string host, std::uint16_t port,
                                          std::chrono::steady_clock::time_point deadline);

} // namespace sandboxkit::net
