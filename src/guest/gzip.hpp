// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) on its way in and out, a piece at a time.
#pragma once

#include "guest/connection.hpp"
#include "guest/file_descriptor.hpp"

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

// Whether an Accept-Encoding field asks for it.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);
// Whether it rules out the file as it is.
[[nodiscard]] bool refuses_identity(std::string_view accept_encoding);

class Deflater {
public:
    Deflater();
    ~Deflater();
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
    void add(std::string& out, std::string_view bytes) { run(out, bytes, Z_NO_FLUSH); }
    void finish(std::string& out) { run(out, {}, Z_FINISH); }

private:
    void run(std::string& out, std::string_view bytes, int flush);
    z_stream stream_{};
};

// The body of a request for the one who takes it as it was before. What a piece becomes is handed on in parts: a small body
// that becomes a large one takes no more memory, and the space on disk that a large body takes.
class GunzipBody : public BodySink {
public:
    GunzipBody(std::shared_ptr<Connection> connection, std::unique_ptr<BodySink> inner);
    ~GunzipBody() override;
    void data(std::string_view piece) override;
    void end() override;

private:
    std::shared_ptr<Connection> connection_;
    std::unique_ptr<BodySink> inner_; // null: the body is not gzip
    z_stream stream_{};
    bool complete_ = false; // of the members that have begun
};

// A file as the body of a response.
class GzipFile : public StreamSource {
public:
    GzipFile(const std::shared_ptr<Connection>& connection, FileDescriptor file, std::uint64_t size)
        : connection_(connection), file_(std::move(file)), left_(size) {}

private:
    bool pull(std::string& out) override;
    void delivered() override {}
    void abandoned() override {}

    std::weak_ptr<Connection> connection_;
    FileDescriptor file_;
    std::uint64_t left_, offset_ = 0;
    Deflater deflater_;
    int pulls_ = 0;
};

} // namespace sandboxkit::guest
