// SPDX-License-Identifier: Apache-2.0
// The response of WatchDir: the events of a watcher, as a stream to one client.
#pragma once

#include "guest/connection.hpp"
#include "guest/watcher.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::guest {

class WatchStream : public StreamSource, public std::enable_shared_from_this<WatchStream> {
public:
    // `watcher` has been started. `stream_time`: after that the stream ends with an error, as envd's does.
    static void respond(const std::shared_ptr<Connection>& connection, std::shared_ptr<Watcher> watcher,
                        std::chrono::seconds keepalive, std::optional<std::chrono::milliseconds> stream_time);

    WatchStream(const std::shared_ptr<Connection>& connection, std::shared_ptr<Watcher> watcher, std::chrono::seconds keepalive);

private:
    bool pull(std::string& out) override;
    void delivered() override { stop(); }
    void abandoned() override { stop(); }
    void stop();
    void wake();
    void arm_keepalive();

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<Watcher> watcher_; // null: it ended
    std::chrono::seconds keepalive_;
    boost::asio::steady_timer keepalive_timer_, stream_time_;
    bool started_ = false, keepalive_due_ = false, timed_out_ = false;
    std::chrono::steady_clock::time_point last_event_;
};

} // namespace sandboxkit::guest
