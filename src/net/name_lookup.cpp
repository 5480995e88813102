// SPDX-License-Identifier: Apache-2.0
#include "net/name_lookup.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

namespace sandboxkit::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Asio's resolver knows no per-operation cancellation, so the coroutine waits on a timer that the resolver's handler ends; a
// lookup given up runs out by itself.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}
    asio::ip::tcp::resolver resolver;
    asio::steady_timer done;
    bool finished = false;
    Addresses addresses;
};

} // namespace

asio::awaitable<Addresses> look_up(asio::any_io_executor executor, std::string host, std::uint16_t port,
                                   std::chrono::steady_clock::time_point deadline) {
    error_code ended;
    const auto address = asio::ip::make_address(host, ended);
    if (!ended) {
        Addresses one;
        one.endpoints.emplace_back(address, port);
        co_return one;
    }
    auto lookup = std::make_shared<Lookup>(executor);
    lookup->done.expires_at(deadline);
    lookup->resolver.async_resolve(host, std::to_string(port),
                                   [lookup](const error_code& error, const asio::ip::tcp::resolver::results_type& results) {
                                       lookup->finished = true;
                                       lookup->addresses.error = error;
                                       for (const auto& entry : results) lookup->addresses.endpoints.push_back(entry.endpoint());
                                       lookup->done.cancel();
                                   });
    co_await lookup->done.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (lookup->finished) co_return lookup->addresses;
    lookup->resolver.cancel();
    co_return Addresses{ended ? asio::error::operation_aborted : asio::error::timed_out, {}};
}

} // namespace sandboxkit::net
