// SPDX-License-Identifier: Apache-2.0
// GET and POST /files, and POST /files/compose.
#include "guest/body_sinks.hpp"
#include "guest/composition.hpp"
#include "guest/encoding.hpp"
#include "guest/file_conditions.hpp"
#include "guest/file_error.hpp"
#include "guest/file_range.hpp"
#include "guest/gzip.hpp"
#include "guest/multipart.hpp"
#include "guest/paths.hpp"
#include "guest/service.hpp"
#include "guest/sha256.hpp"
#include "guest/upload.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t upload_count_limit = 1000;  // files of one multipart request
constexpr std::size_t beginning_size = 512;       // bytes that tell the type of a file
constexpr std::size_t unsized_limit = 4ULL << 20; // bytes of a file whose size is not believed

std::string file_json(const std::string& path, const FileMetadata& metadata = {}) {
    std::string json = "{";
    if (!metadata.empty()) {
        json += "\"metadata\":";
        append_metadata(json, metadata);
        json += ',';
    }
    json += "\"name\":";
    append_json_string(json, base_name(path));
    json += ",\"path\":";
    append_json_string(json, path);
    return json + ",\"type\":\"file\"}";
}

void append_file(std::string& list, const std::string& path, const FileMetadata& metadata) {
    list += list.empty() ? '[' : ',';
    list += file_json(path, metadata);
}

// The type that clients were promised is text/plain.
Response upload_response(std::string list) {
    return {200, "text/plain; charset=utf-8", (list.empty() ? std::string("[") : std::move(list)) + "]", {}};
}

class RawUpload : public BodySink {
public:
    RawUpload(std::shared_ptr<Connection> connection, const std::string& path, const Identity& user, FileMetadata metadata)
        : connection_(std::move(connection)), metadata_(std::move(metadata)) {
        failure_ = upload_.begin(path, user, metadata_);
    }
    void data(std::string_view piece) override {
        // After a failure the rest is read and forgotten, so that the answer arrives.
        if (failure_.error == 0) failure_ = upload_.write(piece);
    }
    void end() override {
        if (failure_.error == 0) failure_ = upload_.commit();
        if (failure_.error != 0) return connection_->respond(file_error(failure_));
        std::string list;
        append_file(list, upload_.path(), metadata_);
        connection_->respond(upload_response(std::move(list)));
    }

private:
    std::shared_ptr<Connection> connection_;
    FileMetadata metadata_;
    Upload upload_;
    UploadFailure failure_;
};

// Each part named "file" is one upload: to `path` when the query has it, else to its own file name.
class MultipartUpload : public BodySink {
public:
    MultipartUpload(std::shared_ptr<Connection> connection, std::string_view boundary, std::string path, Identity user,
                    FileMetadata metadata, std::string default_workdir)
        : connection_(std::move(connection)), reader_(boundary), path_(std::move(path)), user_(std::move(user)),
          metadata_(std::move(metadata)), default_workdir_(std::move(default_workdir)) {}

    void data(std::string_view piece) override {
        if (refusal_) return;
        reader_.feed(piece);
        for (;;) {
            const auto event = reader_.next();
            if (event == MultipartReader::Event::need_more) return;
            if (event == MultipartReader::Event::end) {
                complete_ = true;
                return;
            }
            if (event == MultipartReader::Event::bad)
                refuse(plain_error(400, "the body is not multipart/form-data"));
            else if (event == MultipartReader::Event::part)
                begin_part();
            else if (event == MultipartReader::Event::data && upload_)
                check(upload_->write(reader_.data()));
            else if (event == MultipartReader::Event::part_end)
                end_part();
            if (refusal_) return;
        }
    }

    void end() override {
        if (!refusal_ && !complete_) refuse(plain_error(400, "the body ends amid a part"));
        if (refusal_) return connection_->respond(std::move(*refusal_));
        connection_->respond(upload_response(std::move(list_)));
    }

private:
    void begin_part() {
        if (reader_.head().name != "file") return;
        if (++count_ > upload_count_limit)
            return refuse(
                plain_error(400, "there are more than " + std::to_string(upload_count_limit) + " files in one request"));
        if (!path_.empty() && count_ > 1) return refuse(plain_error(400, "the query has a path, and there are several files"));
        const std::string& wanted = path_.empty() ? reader_.head().filename : path_;
        if (wanted.empty()) return refuse(plain_error(400, "a file has no name, and the query no path"));
        const auto target = resolve_path(wanted, user_, default_workdir_);
        if (!target) return refuse(plain_error(400, target.error().message));
        upload_ = std::make_unique<Upload>();
        check(upload_->begin(*target, user_, metadata_));
    }
    void end_part() {
        if (!upload_) return;
        check(upload_->commit());
        if (upload_) append_file(list_, upload_->path(), metadata_);
        upload_.reset();
    }
    void check(const UploadFailure& failure) {
        if (failure.error != 0) refuse(file_error(failure));
    }
    void refuse(Response response) {
        refusal_ = std::move(response);
        upload_.reset();
    }

    std::shared_ptr<Connection> connection_;
    MultipartReader reader_;
    std::string path_;
    Identity user_;
    FileMetadata metadata_;
    std::string default_workdir_;
    std::unique_ptr<Upload> upload_;
    std::optional<Response> refusal_;
    std::string list_;
    std::size_t count_ = 0;
    bool complete_ = false;
};

std::string http_date(std::time_t time) {
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    return std::string(text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
}

// By what it begins with: nothing of a text is a control byte.
std::string_view content_type_of(std::string_view beginning) {
    for (const char byte : beginning) {
        const auto c = static_cast<unsigned char>(byte);
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b) return "application/octet-stream";
    }
    return "text/plain; charset=utf-8";
}

// To its end. 0 or errno; EFBIG when there is more than `unsized_limit`.
int read_whole(int file, std::string& content) {
    std::array<char, 16 << 10> piece;
    for (;;) {
        const ssize_t n = ::read(file, piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return 0;
        content.append(piece.data(), static_cast<std::size_t>(n));
        if (content.size() > unsized_limit) return EFBIG;
    }
}

// A name for a header: only what needs no escaping there.
std::string disposition_name(std::string_view name) {
    std::string safe = "\"";
    for (const char c : name)
        safe += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '"' || c == '\\' ? '_' : c;
    return safe + '"';
}

void send_file(const std::shared_ptr<Connection>& connection, const RequestHead& head, const std::string& path,
               const Identity& user) {
    FileDescriptor file;
    struct stat status {};
    std::string beginning;
    bool whole = false; // `beginning` is all of it
    int error = 0;
    {
        const ActingAs acting(user);
        error = acting.error();
        if (error == 0) file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (error == 0 && (!file || ::fstat(file.get(), &status) != 0)) error = errno;
        // The sizes of small files may be made up: 0 in procfs, a page in sysfs. Such a file may also ask who reads it.
        whole = status.st_size <= ::getpagesize();
        if (error == 0 && S_ISREG(status.st_mode) && whole) error = read_whole(file.get(), beginning);
    }
    if (error == ENOENT) return connection->respond(plain_error(404, "path '" + path + "' does not exist"));
    // A socket, or a device without a driver.
    if (error == ENXIO || error == ENODEV)
        return connection->respond(plain_error(400, "path '" + path + "' is not a regular file"));
    if (error == EFBIG)
        return connection->respond(plain_error(413, "path '" + path + "' does not tell its size, and is larger than " +
                                                        std::to_string(unsized_limit >> 20) + " MiB: read it with a command"));
    if (error != 0)
        return connection->respond(
            plain_error(http_status_of(error), "error reading '" + path + "': " + std::string(describe(error))));
    if (S_ISDIR(status.st_mode)) return connection->respond(plain_error(400, "path '" + path + "' is a directory"));
    if (!S_ISREG(status.st_mode)) return connection->respond(plain_error(400, "path '" + path + "' is not a regular file"));
    if (!whole) {
        beginning.resize(beginning_size);
        const ssize_t n = ::pread(file.get(), beginning.data(), beginning.size(), 0);
        beginning.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    }

    const auto size = whole ? beginning.size() : static_cast<std::uint64_t>(status.st_size);
    const std::string modified = http_date(status.st_mtim.tv_sec);
    Response response{200,
                      content_type_of(std::string_view(beginning).substr(0, beginning_size)),
                      {},
                      "Accept-Ranges: bytes\r\nContent-Disposition: inline; filename=" + disposition_name(base_name(path)) +
                          "\r\nLast-Modified: " + modified + "\r\nVary: Accept-Encoding\r\n"};
    // Ranges are of the file, not of what it becomes.
    const bool gzip = head.find("Range") == nullptr && accepts_gzip(head.field("Accept-Encoding"));
    if (!gzip && refuses_identity(head.field("Accept-Encoding")))
        return connection->respond(plain_error(406, "no acceptable encoding: there are gzip, of whole files, and identity"));
    switch (check_conditions(head, status.st_mtim.tv_sec)) {
    case Conditions::met: break;
    case Conditions::not_modified:
        return connection->respond({304, {}, {}, "Last-Modified: " + modified + "\r\nVary: Accept-Encoding\r\n"});
    case Conditions::failed: return connection->respond({412, {}, {}, "Last-Modified: " + modified + "\r\n"});
    }
    if (gzip) {
        response.fields += "Content-Encoding: gzip\r\n";
        if (!whole)
            return connection->respond_stream(response.content_type, std::move(response.fields),
                                              std::make_shared<GzipFile>(connection, std::move(file), size));
        Deflater deflater;
        deflater.add(response.body, beginning);
        deflater.finish(response.body);
        return connection->respond(std::move(response));
    }
    std::uint64_t first = 0;
    std::uint64_t length = size;
    const std::string* condition = head.find("If-Range");
    if (condition == nullptr || *condition == modified) {
        const RangeAnswer range = parse_range(head.field("Range"), size);
        if (range.kind == RangeAnswer::Kind::unsatisfiable)
            return connection->respond({416, "text/plain; charset=utf-8", "invalid range: failed to overlap\n",
                                        "Content-Range: bytes */" + std::to_string(size) + "\r\n"});
        if (range.kind == RangeAnswer::Kind::part) {
            first = range.first;
            length = range.length;
            response.status = 206;
            response.fields += "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(first + length - 1) + "/" +
                               std::to_string(size) + "\r\n";
        }
    }
    if (!whole) return connection->respond_file(std::move(response), std::move(file), first, length);
    response.body = beginning.substr(first, length);
    connection->respond(std::move(response));
}

// Sends when the (empty) body of the request has been read.
class Download : public BodySink {
public:
    Download(std::shared_ptr<Connection> connection, RequestHead head, std::string path, Identity user)
        : connection_(std::move(connection)), head_(std::move(head)), path_(std::move(path)), user_(std::move(user)) {}
    void data(std::string_view) override {}
    void end() override { send_file(connection_, head_, path_, user_); }

private:
    std::shared_ptr<Connection> connection_;
    RequestHead head_;
    std::string path_;
    Identity user_;
};

void compose_stepwise(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Composition>& composition,
                      const std::string& destination) {
    UploadFailure failure;
    const bool done = composition->step(failure);
    if (failure.error != 0) return connection->respond(file_error(failure));
    if (done) return connection->respond({200, "application/json", file_json(destination) + "\n", {}});
    boost::asio::post(connection->executor(),
                      [connection, composition, destination] { compose_stepwise(connection, composition, destination); });
}

} // namespace

std::optional<std::string> Service::files_refusal(const RequestHead& head, const Query& query) const {
    if (settings_.access_token.empty()) return std::nullopt;
    if (const std::string_view token = head.field("X-Access-Token"); !token.empty()) {
        if (equals_in_constant_time(token, settings_.access_token)) return std::nullopt;
        return "access token present in header but does not match";
    }
    if (!query.contains("signature")) return "missing signature query parameter";
    std::string signed_text = value_of(query, "path") + ":" + (head.method == "GET" ? "read" : "write") + ":" +
                              value_of(query, "username") + ":" + settings_.access_token;
    const std::string expiration = value_of(query, "signature_expiration");
    if (!expiration.empty()) signed_text += ":" + expiration;
    std::string expected;
    append_base64(expected, sha256(signed_text));
    while (expected.ends_with('=')) expected.pop_back();
    if (!equals_in_constant_time("v1_" + expected, value_of(query, "signature"))) return "invalid signature";
    if (!expiration.empty()) {
        std::int64_t at = 0;
        const auto [end, ec] = std::from_chars(expiration.data(), expiration.data() + expiration.size(), at);
        if (ec != std::errc() || end != expiration.data() + expiration.size() || at < std::time(nullptr))
            return "signature is already expired";
    }
    return std::nullopt;
}

std::unique_ptr<BodySink> Service::begin_files(const Shared& connection, const RequestHead& head) {
    const auto refuse = [&](unsigned status, std::string_view message) {
        return std::make_unique<IgnoreBody>(connection, plain_error(status, message));
    };
    if (head.method != "GET" && head.method != "POST")
        return std::make_unique<IgnoreBody>(connection, Response{405, {}, {}, "Allow: GET, POST\r\n"});
    const auto query = parse_query(head.query);
    if (!query) return refuse(400, "the query is not valid");
    if (const auto refusal = files_refusal(head, *query)) return refuse(401, *refusal);
    const std::string username = value_of(*query, "username");
    auto user = find_user(username.empty() ? settings_.default_user : username);
    if (!user) return refuse(401, "error looking up user '" + username + "': unknown user");
    const std::string wanted = value_of(*query, "path");
    const auto path = resolve_path(wanted, *user, settings_.default_workdir);
    if (!path) return refuse(400, path.error().message);

    if (head.method == "GET") return std::make_unique<Download>(connection, head, *path, std::move(*user));

    const std::string_view encoding = head.field("Content-Encoding");
    const bool gzip = equals_ignoring_case(encoding, "gzip");
    if (!encoding.empty() && encoding != "identity" && !gzip)
        return refuse(415, "Content-Encoding '" + std::string(encoding) + "' is not supported: gzip is, and the file as it is");
    auto metadata = metadata_of(head);
    if (!metadata) return refuse(400, metadata.error().message);
    const std::string_view content_type = head.field("Content-Type");
    std::unique_ptr<BodySink> sink;
    if (const auto boundary = multipart_boundary(content_type)) {
        sink = std::make_unique<MultipartUpload>(connection, *boundary, wanted.empty() ? std::string() : *path, std::move(*user),
                                                 std::move(*metadata), settings_.default_workdir);
    } else {
        if (!equals_ignoring_case(content_type.substr(0, content_type.find(';')), "application/octet-stream"))
            return refuse(415, "Content-Type '" + std::string(content_type) +
                                   "' is neither application/octet-stream nor multipart/form-data with a boundary");
        if (wanted.empty()) return refuse(400, "the query has no path");
        sink = std::make_unique<RawUpload>(connection, *path, *user, std::move(*metadata));
    }
    if (gzip) return std::make_unique<GunzipBody>(connection, std::move(sink));
    return sink;
}

std::unique_ptr<BodySink> Service::begin_compose(const Shared& connection) {
    return std::make_unique<CollectBody>(
        [this, connection](const std::string& body) { compose(connection, body); },
        [connection] { connection->respond(plain_error(413, "the request is larger than 8 MiB")); });
}

void Service::compose(const Shared& connection, std::string_view body) {
    const auto refuse = [&](unsigned status, std::string_view message) { connection->respond(plain_error(status, message)); };
    const auto request = decode_compose(body);
    if (!request) return refuse(400, "invalid request body: " + request.error().message);
    if (request->sources.size() > Composition::source_limit)
        return refuse(400, "there are more than " + std::to_string(Composition::source_limit) + " source_paths");
    auto user = find_user(request->username.empty() ? settings_.default_user : request->username);
    if (!user) return refuse(401, "error looking up user '" + request->username + "': unknown user");
    const auto destination = resolve_path(request->destination, *user, settings_.default_workdir);
    if (!destination) return refuse(400, "error resolving destination path: " + destination.error().message);
    std::vector<std::string> sources;
    for (const std::string& path : request->sources) {
        auto source = resolve_path(path, *user, settings_.default_workdir);
        if (!source) return refuse(400, "error resolving source path: " + source.error().message);
        sources.push_back(std::move(*source));
    }
    compose_stepwise(connection, std::make_shared<Composition>(std::move(sources), *destination, std::move(*user)), *destination);
}

} // namespace sandboxkit::guest
