// SPDX-License-Identifier: Apache-2.0
// Accepts connections, waits for children, and closes connections whose peer makes no progress.
#pragma once

#include "guest/connection.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/process_table.hpp"
#include "guest/service.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>
#include <unordered_map>

namespace sandboxkit::guest {

struct ServerOptions {
    std::string workdir;     // the default working directory until /init sets another; may be empty
    Environment environment; // what processes have before anybody sets anything
    SpawnSettings spawn;
    int descriptor_limit = 1024; // of this program
};

class Server {
public:
    static constexpr std::size_t connection_limit = 1024;

    // `listener`: a listening Unix stream socket. `signals`: a signalfd for SIGCHLD and SIGTERM.
    Server(boost::asio::io_context& loop, FileDescriptor listener, FileDescriptor signals, ServerOptions options);
    ~Server();

    // False when the event loop could not take the descriptors.
    [[nodiscard]] bool start();

private:
    void accept();
    void accept_one();
    void wait_for_signal();
    void reap();
    void watch(Connection::Clock::time_point deadline);
    void close_stalled();
    void give_back_memory();

    boost::asio::io_context& loop_;
    FileDescriptor listener_fd_, signals_fd_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::posix::stream_descriptor signals_;
    boost::asio::steady_timer accept_again_, stalled_, trim_;
    ProcessTable processes_;
    Service service_;
    std::unordered_map<Connection*, std::weak_ptr<Connection>> connections_;
    bool accepting_ = false;
    bool trim_due_ = false;
};

} // namespace sandboxkit::guest
