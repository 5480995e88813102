// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/exec_stream.hpp"

#include "providers/docker/stream_frames.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/array.hpp>

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace sandboxkit::docker {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

namespace {

constexpr std::size_t piece_size = 64 << 10;

std::string read_id(const json::value& document) {
    return text_of(document.as_object(), "Id");
}

// Two coroutines share these; whoever ends first closes both.
struct Bridge {
    Bridge(Socket s, net::HttpStream d) : socket(std::move(s)), daemon(std::move(d)) {}
    Socket socket;
    net::HttpStream daemon;
    void close() {
        boost::system::error_code ignored;
        socket.close(ignored);
        daemon.close();
    }
};

asio::awaitable<void> to_daemon(std::shared_ptr<Bridge> bridge) {
    std::array<char, piece_size> piece;
    for (;;) {
        boost::system::error_code error;
        const std::size_t n =
            co_await bridge->socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
        if (error || n == 0) break;
        std::string bytes(piece.data(), n);
        auto written = co_await bridge->daemon.write(std::move(bytes));
        if (!written) break;
    }
    bridge->close();
}

asio::awaitable<void> from_daemon(std::shared_ptr<Bridge> bridge) {
    FrameDecoder frames;
    for (;;) {
        auto bytes = co_await bridge->daemon.read_some(std::chrono::milliseconds(0));
        if (!bytes || bytes->empty()) break;
        std::string output;
        auto fed = frames.feed(*bytes, output);
        if (!fed) break;
        boost::system::error_code error;
        if (!output.empty())
            co_await asio::async_write(bridge->socket, asio::buffer(output), asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
    }
    bridge->close();
}

} // namespace

Task<int> dial_guest(DaemonPtr daemon, std::string sandbox, std::chrono::milliseconds limit) {
    EngineRequest create;
    create.what = "cannot reach the guest of the sandbox " + sandbox;
    create.method = "POST";
    create.path = "/containers/" + sandbox + "/exec";
    json::array command{guest_path_inside, "--connect-unix", unshared_socket_inside};
    create.body = json::object{{"AttachStdin", true}, {"AttachStdout", true}, {"AttachStderr", true},
                               {"Tty", false},        {"User", "0:0"},        {"Cmd", std::move(command)}};
    create.limit = limit;
    auto id = co_await daemon->client.get(std::move(create), read_id);
    if (!id) co_return id.error();
    if (!is_container_id(*id)) co_return protocol_error("the Docker daemon made an exec without an id", *id);
    EngineRequest start;
    start.what = "cannot reach the guest of the sandbox " + sandbox;
    start.method = "POST";
    start.path = "/exec/" + *id + "/start";
    start.body = json::object{{"Detach", false}, {"Tty", false}};
    start.limit = limit;
    auto stream = co_await daemon->client.attach(std::move(start));
    if (!stream) co_return stream.error();

    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
        co_return Error{ErrorClass::quota, "no_descriptors", "cannot make a socket", "", std::strerror(errno), {}};
    Socket socket(daemon->executor);
    boost::system::error_code error;
    socket.assign(asio::local::stream_protocol(), ends[1], error);
    if (error) {
        ::close(ends[0]);
        ::close(ends[1]);
        co_return Error{ErrorClass::internal, "exception", "cannot watch a socket", "", error.message(), {}};
    }
    const auto bridge = std::make_shared<Bridge>(std::move(socket), std::move(*stream));
    // They end when either side does: the caller closes its end of the pair, or the relay ends with the sandbox.
    asio::co_spawn(daemon->executor, to_daemon(bridge), asio::detached);
    asio::co_spawn(daemon->executor, from_daemon(bridge), asio::detached);
    co_return ends[0];
}

} // namespace sandboxkit::docker
