// SPDX-License-Identifier: Apache-2.0
#include "guest/gzip.hpp"

#include "guest/body_sinks.hpp"
#include "guest/encoding.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <optional>

namespace sandboxkit::guest {
namespace {

constexpr int gzip_format = 16 + MAX_WBITS;
constexpr int pulls_of_a_turn = 4;

// One for all: nothing is left in it between two calls.
std::array<char, 64 << 10> piece;

Bytef* bytes_of(std::string_view text) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); // zlib does not write there
}

// Whether a coding is asked for, or refused by a weight of nothing; nothing when it is not named.
std::optional<bool> wants(std::string_view field, std::string_view wanted) {
    while (!field.empty()) {
        const std::size_t comma = field.find(',');
        std::string_view coding = field.substr(0, comma);
        field = comma == std::string_view::npos ? std::string_view() : field.substr(comma + 1);
        const std::size_t semicolon = coding.find(';');
        std::string_view weight = semicolon == std::string_view::npos ? std::string_view() : coding.substr(semicolon + 1);
        coding = coding.substr(0, semicolon);
        while (coding.starts_with(' ')) coding.remove_prefix(1);
        while (coding.ends_with(' ')) coding.remove_suffix(1);
        if (!equals_ignoring_case(coding, wanted)) continue;
        while (weight.starts_with(' ')) weight.remove_prefix(1);
        return !weight.starts_with("q=0") || weight.find_first_of("123456789") != std::string_view::npos;
    }
    return std::nullopt;
}

} // namespace

bool accepts_gzip(std::string_view accept_encoding) {
    return wants(accept_encoding, "gzip").value_or(false);
}

bool refuses_identity(std::string_view accept_encoding) {
    return !wants(accept_encoding, "identity").value_or(wants(accept_encoding, "*").value_or(true));
}

Deflater::Deflater() {
    // The fastest: between two processes of one machine the processor is what is short.
    if (::deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, gzip_format, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
}

Deflater::~Deflater() {
    ::deflateEnd(&stream_);
}

void Deflater::run(std::string& out, std::string_view bytes, int flush) {
    stream_.next_in = bytes_of(bytes);
    stream_.avail_in = static_cast<uInt>(bytes.size());
    std::array<char, 16 << 10> part;
    do {
        stream_.next_out = reinterpret_cast<Bytef*>(part.data());
        stream_.avail_out = part.size();
        ::deflate(&stream_, flush);
        out.append(part.data(), part.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
}

GunzipBody::GunzipBody(std::shared_ptr<Connection> connection, std::unique_ptr<BodySink> inner)
    : connection_(std::move(connection)), inner_(std::move(inner)) {
    if (::inflateInit2(&stream_, gzip_format) != Z_OK) throw std::bad_alloc();
}

GunzipBody::~GunzipBody() {
    ::inflateEnd(&stream_);
}

void GunzipBody::data(std::string_view bytes) {
    stream_.next_in = bytes_of(bytes);
    stream_.avail_in = static_cast<uInt>(bytes.size());
    while (inner_) {
        if (complete_) {
            if (stream_.avail_in == 0) return;
            ::inflateReset(&stream_); // members may follow one another
            complete_ = false;
        }
        stream_.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream_.avail_out = piece.size();
        const int result = ::inflate(&stream_, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return inner_.reset();
        complete_ = result == Z_STREAM_END;
        const std::size_t size = piece.size() - stream_.avail_out;
        if (size > 0) inner_->data(std::string_view(piece.data(), size));
        if (!complete_ && stream_.avail_out != 0) return; // all that came is used
    }
}

void GunzipBody::end() {
    if (inner_ && complete_) return inner_->end();
    inner_.reset(); // what it wrote goes away
    connection_->respond(plain_error(400, "error decompressing request body: it is not gzip, or not all of it"));
}

bool GzipFile::pull(std::string& out) {
    const auto connection = connection_.lock();
    if (!connection) return true;
    // A reader that is fast enough would keep this going; others want to be served, too.
    if (++pulls_ % pulls_of_a_turn == 0) return connection->wake(), false;
    const std::size_t begin = out.size();
    while (left_ > 0 && out.size() - begin < piece.size() / 2) {
        const ssize_t n =
            ::pread(file_.get(), piece.data(), std::min<std::uint64_t>(piece.size(), left_), static_cast<off_t>(offset_));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            // It became shorter, or cannot be read: that the end is missing tells the peer.
            boost::asio::post(connection->executor(), [connection] { connection->close(); });
            return false;
        }
        offset_ += static_cast<std::uint64_t>(n);
        left_ -= static_cast<std::uint64_t>(n);
        deflater_.add(out, std::string_view(piece.data(), static_cast<std::size_t>(n)));
        if (offset_ % (piece.size() * 16) == 0) break; // zeros become nothing
    }
    if (left_ > 0) {
        if (out.size() == begin) connection->wake();
        return false;
    }
    deflater_.finish(out);
    return true;
}

} // namespace sandboxkit::guest
