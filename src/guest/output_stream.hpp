// SPDX-License-Identifier: Apache-2.0
// The response of Start and Connect: what a process does, as a stream of events to one client.
#pragma once

#include "guest/connection.hpp"
#include "guest/process.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::guest {

class OutputStream : public StreamSource, public Listener, public std::enable_shared_from_this<OutputStream> {
public:
    struct Options {
        std::chrono::seconds keepalive{90};
        // The time limit is told by an error that ends the stream (as envd does), not by the end event.
        bool deadline_is_an_error = true;
        // The stream, not the process, ends after that.
        std::optional<std::chrono::milliseconds> stream_time;
    };

    // A client that is slower than the others and further behind than this is dropped.
    static constexpr std::size_t backlog_limit = 1 << 20;

    // Attaches to the process and responds on the connection.
    static void respond(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process, Options options);
    ~OutputStream() override;

    OutputStream(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process, Options options);

private:
    bool pull(std::string& out) override;
    void delivered() override;
    void abandoned() override;
    void on_output(const Chunk& chunk) override;
    void on_end() override;
    void on_timeout() override;
    [[nodiscard]] std::size_t backlog() const override { return queue_.cost(); }

    void fail(RpcError error);
    void detach();
    void wake();
    void arm_keepalive();

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<Process> process_;
    Options options_;
    ChunkQueue queue_;
    std::size_t replayed_ = 0; // of the queue, from before it was attached
    std::optional<RpcError> error_;
    boost::asio::steady_timer keepalive_, stream_time_;
    bool started_ = false, told_end_ = false, attached_ = false, keepalive_due_ = false;
    std::chrono::steady_clock::time_point last_event_;
};

} // namespace sandboxkit::guest
