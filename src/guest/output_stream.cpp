// SPDX-License-Identifier: Apache-2.0
#include "guest/output_stream.hpp"

#include <algorithm>
#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t pull_size = 96 << 10; // bytes of output, before base64

} // namespace

OutputStream::OutputStream(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process,
                           Options options)
    : connection_(connection), process_(process), options_(options), keepalive_(connection->executor()),
      stream_time_(connection->executor()), last_event_(std::chrono::steady_clock::now()) {}

OutputStream::~OutputStream() {
    detach();
}

void OutputStream::respond(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process,
                           Options options) {
    const auto stream = std::make_shared<OutputStream>(connection, process, options);
    stream->attached_ = true;
    stream->queue_ = process->attach(*stream);
    stream->replayed_ = stream->queue_.cost();
    stream->arm_keepalive();
    if (options.stream_time) {
        stream->stream_time_.expires_after(*options.stream_time);
        stream->stream_time_.async_wait([weak = std::weak_ptr(stream)](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (!ec && self && self->attached_ && !self->told_end_)
                self->fail({Code::deadline_exceeded, "context deadline exceeded"});
        });
    }
    connection->respond_stream("application/connect+json", {}, stream);
}

bool OutputStream::pull(std::string& out) {
    const std::size_t before = out.size();
    if (!started_) {
        started_ = true;
        append_start_event(out, static_cast<std::uint32_t>(process_->pid()));
    }
    std::size_t pulled = 0;
    while (!queue_.empty() && pulled < pull_size) {
        const Chunk chunk = queue_.pop();
        replayed_ = std::min(replayed_, queue_.cost());
        append_data_event(out, chunk.stream, *chunk.bytes);
        pulled += chunk.bytes->size();
    }
    if (pulled > 0 && attached_) process_->listener_caught_up();
    if (error_ && queue_.empty()) {
        append_end_of_stream(out, *error_);
        return true;
    }
    const bool end = !error_ && queue_.empty() && process_->ended();
    if (end) {
        append_end_event(out, process_->result());
        append_end_of_stream(out);
        told_end_ = true;
    } else if (keepalive_due_ && out.size() == before) {
        append_keepalive_event(out);
    }
    keepalive_due_ = false;
    if (out.size() != before) last_event_ = std::chrono::steady_clock::now();
    return end;
}

void OutputStream::delivered() {
    if (told_end_) process_->mark_collected();
    detach();
}

void OutputStream::abandoned() {
    detach();
}

void OutputStream::detach() {
    keepalive_.cancel();
    stream_time_.cancel();
    if (!attached_) return;
    attached_ = false;
    ChunkQueue unsent;
    std::swap(unsent, queue_);
    process_->detach(*this, std::move(unsent));
}

void OutputStream::on_output(const Chunk& chunk) {
    queue_.push(chunk);
    // The only listener is waited for, so this is about one among several.
    if (queue_.cost() > backlog_limit + replayed_ + (64 << 10)) {
        queue_.clear();
        return fail({Code::resource_exhausted,
                     "this client reads too slowly: more than " + std::to_string(backlog_limit) + " bytes were waiting for it"});
    }
    wake();
}

void OutputStream::on_end() {
    wake();
}

void OutputStream::on_timeout() {
    if (options_.deadline_is_an_error) fail({Code::deadline_exceeded, "context deadline exceeded"});
}

// What is queued is still sent, then the error.
void OutputStream::fail(RpcError error) {
    error_ = std::move(error);
    keepalive_.cancel();
    stream_time_.cancel();
    if (attached_) {
        attached_ = false;
        process_->detach(*this, {});
    }
    wake();
}

void OutputStream::wake() {
    if (const auto connection = connection_.lock()) connection->wake();
}

void OutputStream::arm_keepalive() {
    keepalive_.expires_at(last_event_ + options_.keepalive);
    keepalive_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (ec || !self || !self->attached_) return;
        const auto now = std::chrono::steady_clock::now();
        if (now - self->last_event_ >= self->options_.keepalive) {
            self->last_event_ = now;
            self->keepalive_due_ = true;
            self->wake();
        }
        self->arm_keepalive();
    });
}

} // namespace sandboxkit::guest
