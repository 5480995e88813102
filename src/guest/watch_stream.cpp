// SPDX-License-Identifier: Apache-2.0
#include "guest/watch_stream.hpp"

#include "guest/messages.hpp"

#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t pull_size = 64 << 10;

} // namespace

WatchStream::WatchStream(const std::shared_ptr<Connection>& connection, std::shared_ptr<Watcher> watcher,
                         std::chrono::seconds keepalive)
    : connection_(connection), watcher_(std::move(watcher)), keepalive_(keepalive), keepalive_timer_(connection->executor()),
      stream_time_(connection->executor()), last_event_(std::chrono::steady_clock::now()) {}

void WatchStream::respond(const std::shared_ptr<Connection>& connection, std::shared_ptr<Watcher> watcher,
                          std::chrono::seconds keepalive, std::optional<std::chrono::milliseconds> stream_time) {
    const auto stream = std::make_shared<WatchStream>(connection, std::move(watcher), keepalive);
    stream->watcher_->on_news([weak = std::weak_ptr(stream)] {
        if (const auto self = weak.lock()) self->wake();
    });
    stream->arm_keepalive();
    if (stream_time) {
        stream->stream_time_.expires_after(*stream_time);
        stream->stream_time_.async_wait([weak = std::weak_ptr(stream)](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self) return;
            self->timed_out_ = true;
            self->wake();
        });
    }
    connection->respond_stream("application/connect+json", {}, stream);
}

bool WatchStream::pull(std::string& out) {
    const std::size_t before = out.size();
    if (!std::exchange(started_, true)) append_watch_start(out);
    while (out.size() - before < pull_size) {
        const auto event = watcher_->take();
        if (!event) break;
        append_watch_event(out, *event);
    }
    const bool rest = out.size() - before >= pull_size;
    if (keepalive_due_ && out.size() == before) append_watch_keepalive(out);
    keepalive_due_ = false;
    if (out.size() != before) last_event_ = std::chrono::steady_clock::now();
    if (rest) return false; // asked again at once
    if (watcher_->failure()) return append_end_of_stream(out, *watcher_->failure()), true;
    if (timed_out_) return append_end_of_stream(out, {Code::deadline_exceeded, "context deadline exceeded"}), true;
    return false;
}

void WatchStream::stop() {
    keepalive_timer_.cancel();
    stream_time_.cancel();
    watcher_.reset();
}

void WatchStream::wake() {
    if (const auto connection = connection_.lock()) connection->wake();
}

void WatchStream::arm_keepalive() {
    keepalive_timer_.expires_at(last_event_ + keepalive_);
    keepalive_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (ec || !self || !self->watcher_) return;
        const auto now = std::chrono::steady_clock::now();
        if (now - self->last_event_ >= self->keepalive_) {
            self->last_event_ = now;
            self->keepalive_due_ = true;
            self->wake();
        }
        self->arm_keepalive();
    });
}

} // namespace sandboxkit::guest
