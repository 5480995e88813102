// SPDX-License-Identifier: Apache-2.0
#include "guest/output_stream.hpp"

#include <algorithm>
#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t pull_size = 96 << 10; // bytes of output, before base64
constexpr std::size_t terminal_event_size = 16 << 10;

} // namespace

OutputStream::OutputStream(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process,
                           Options options)
    : connection_(connection), process_(process), options_(options),
      position_(std::max(options.offset.value_or(process->told()), process->output().first())),
      keepalive_(connection->executor()), stream_time_(connection->executor()), last_event_(std::chrono::steady_clock::now()) {}

OutputStream::~OutputStream() {
    detach();
}

void OutputStream::respond(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Process>& process,
                           Options options) {
    const auto stream = std::make_shared<OutputStream>(connection, process, options);
    stream->attached_ = true;
    process->attach(*stream);
    stream->arm_keepalive();
    if (options.stream_time) {
        stream->stream_time_.expires_after(*options.stream_time);
        stream->stream_time_.async_wait([weak = std::weak_ptr(stream)](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (!ec && self && self->attached_ && !self->told_end_)
                self->fail({Code::deadline_exceeded, "context deadline exceeded"});
        });
    }
    std::string fields;
    if (options.raw_frames) fields += "Sandboxkit-Frames: raw\r\n";
    if (options.extensions || options.offset) fields += "Sandboxkit-Output-Offset: " + std::to_string(stream->position_) + "\r\n";
    connection->respond_stream("application/connect+json", std::move(fields), stream);
}

bool OutputStream::pull(std::string& out) {
    const std::size_t before = out.size();
    if (!started_) {
        started_ = true;
        append_start_event(out, static_cast<std::uint32_t>(process_->pid()));
    }
    pull_output(out);
    const bool all = position_ >= std::min(end_, process_->output().last());
    if (error_ && all) {
        append_end_of_stream(out, *error_);
        return true;
    }
    const bool end = all && process_->ended();
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

void OutputStream::pull_output(std::string& out) {
    Spool& output = process_->output();
    const std::uint64_t before = position_;
    while (position_ < std::min(end_, output.last()) && position_ - before < pull_size) {
        auto piece = position_ < output.first() ? Spool::Piece{} : output.read(position_);
        if (piece.bytes.empty()) {
            fail({Code::resource_exhausted, "this client reads too slowly: the output from byte " + std::to_string(position_) +
                                                " on is not kept any more"});
            end_ = position_;
            break;
        }
        if (piece.stream == Stream::terminal) piece.bytes = piece.bytes.substr(0, terminal_event_size);
        options_.raw_frames ? append_raw_data(out, piece.stream, piece.bytes) : append_data_event(out, piece.stream, piece.bytes);
        position_ += piece.bytes.size();
    }
    if (position_ != before) process_->mark_told(position_);
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
    if (!std::exchange(attached_, false)) return;
    process_->detach(*this);
}

void OutputStream::on_timeout() {
    if (!options_.extensions) fail({Code::deadline_exceeded, "context deadline exceeded"});
}

// What is there is still sent, then the first error.
void OutputStream::fail(RpcError error) {
    if (error_) return;
    error_ = std::move(error);
    end_ = process_->output().last();
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
