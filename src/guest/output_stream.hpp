// SPDX-License-Identifier: Apache-2.0
// The response of Start and Connect: what a process does, as a stream of events to one client.
#pragma once

#include "guest/connection.hpp"
#include "guest/process.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::guest {

class OutputStream : public StreamSource, public Listener, public std::enable_shared_from_this<OutputStream> {
public:
    struct Options {
        std::chrono::seconds keepalive{90};
        // The client knows more than the public wire: the time limit is told in the end event, not by an error that ends the
        // stream (as envd does), and the offset of the first byte of output in a field of the response.
        bool extensions = false;
        // Where in the output the stream begins, or with what is still kept after that; or else with what nobody was told yet.
        std::optional<std::uint64_t> offset;
        // Output is sent as it is, in envelopes of their own, and not as JSON.
        bool raw_frames = false;
        // The stream, not the process, ends after that.
        std::optional<std::chrono::milliseconds> stream_time;
    };

    // Attaches to the process and responds on the connection.
    static void respond(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process, Options options);
    ~OutputStream() override;

    OutputStream(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process, Options options);

private:
    bool pull(std::string& out) override;
    void delivered() override;
    void abandoned() override;
    void on_news() override { wake(); }
    void on_timeout() override;
    [[nodiscard]] std::uint64_t position() const override { return position_; }

    void pull_output(std::string& out);
    void fail(RpcError error);
    void detach();
    void wake();
    void arm_keepalive();

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<Process> process_;
    Options options_;
    std::uint64_t position_;
    std::uint64_t end_ = UINT64_MAX; // of what is sent before the error
    std::optional<RpcError> error_;
    boost::asio::steady_timer keepalive_, stream_time_;
    bool started_ = false, told_end_ = false, attached_ = false, keepalive_due_ = false;
    std::chrono::steady_clock::time_point last_event_;
};

} // namespace sandboxkit::guest
