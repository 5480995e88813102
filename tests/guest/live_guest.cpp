// SPDX-License-Identifier: Apache-2.0
#include "live_guest.hpp"

#include "guest/encoding.hpp"
#include "guest/messages.hpp"

#include <boost/json/parse.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace sandboxkit::guest::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (std::string& text : strings) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> guest_environment() {
    // The guest is not dumpable, so the leak check, which traces the process, cannot run in it.
    return {"ASAN_OPTIONS=detect_leaks=0", "UBSAN_OPTIONS=print_stacktrace=1", "PATH=/usr/bin:/bin"};
}

} // namespace

boost::json::object Reply::json() const {
    return boost::json::parse(body).as_object();
}

Client::Client(const std::string& socket_path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_path.c_str(), std::min(socket_path.size(), sizeof address.sun_path - 1));
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close();
        fail("connect");
    }
    const timeval minute{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
}

Client::~Client() {
    close();
}

void Client::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Client::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) fail("send");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::size_t Client::send_some(std::string_view bytes) const {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) fail("send");
    return n > 0 ? static_cast<std::size_t>(n) : 0;
}

void Client::shut_down_writing() const {
    ::shutdown(fd_, SHUT_WR);
}

void Client::fill() {
    std::array<char, 65536> piece;
    const ssize_t n = ::recv(fd_, piece.data(), piece.size(), 0);
    if (n < 0) fail("recv");
    if (n == 0) throw std::runtime_error("the guest closed the connection; before that: " + buffer_);
    buffer_.append(piece.data(), static_cast<std::size_t>(n));
}

Reply Client::read_head() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) fill();
    Reply reply;
    std::string_view head = std::string_view(buffer_).substr(0, end + 2);
    reply.status = std::stoi(std::string(head.substr(9, 3)));
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
        const std::string_view line = head.substr(0, head.find("\r\n"));
        head.remove_prefix(line.size() + 2);
        std::string name(line.substr(0, line.find(':')));
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
        reply.headers[name] = std::string(line.substr(line.find(':') + 2));
    }
    buffer_.erase(0, end + 4);
    return reply;
}

std::string Client::read_exactly(std::size_t size) {
    while (buffer_.size() < size) fill();
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return bytes;
}

std::string Client::read_chunk() {
    std::size_t line = 0;
    while ((line = buffer_.find("\r\n")) == std::string::npos) fill();
    const std::size_t size = std::stoul(buffer_.substr(0, line), nullptr, 16);
    read_exactly(line + 2);
    std::string chunk = read_exactly(size + 2);
    chunk.resize(size);
    return chunk;
}

Reply Client::read_reply() {
    Reply reply = read_head();
    if (reply.headers.contains("transfer-encoding")) {
        for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) reply.body += chunk;
    } else if (reply.status != 204 && reply.status != 304 && reply.status != 100) {
        reply.body = read_exactly(std::stoul(reply.headers.at("content-length")));
    }
    return reply;
}

std::string Client::read_to_end() {
    for (;;) {
        std::array<char, 65536> piece;
        const ssize_t n = ::recv(fd_, piece.data(), piece.size(), 0);
        if (n < 0 && errno != ECONNRESET) fail("recv");
        if (n <= 0) return std::exchange(buffer_, {});
        buffer_.append(piece.data(), static_cast<std::size_t>(n));
    }
}

std::string request_bytes(std::string_view method, std::string_view target, const Headers& headers, std::string_view body) {
    std::string bytes = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
    for (const auto& [name, value] : headers) bytes += name + ": " + value + "\r\n";
    return bytes + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

Reply Client::request(std::string_view method, std::string_view target, const Headers& headers, std::string_view body) {
    send(request_bytes(method, target, headers, body));
    return read_reply();
}

EventStream::EventStream(Client client, std::string_view method, std::string_view message, Headers sent)
    : client_(std::move(client)) {
    sent.emplace_back("Content-Type", "application/connect+json");
    sent.emplace_back("Connect-Protocol-Version", "1");
    client_.send(request_bytes("POST", "/process.Process/" + std::string(method), sent, net::encode_envelope(0, message)));
    const Reply head = client_.read_head();
    headers = head.headers;
    if (head.status != 200) throw std::runtime_error("HTTP status " + std::to_string(head.status));
    if (!head.headers.contains("transfer-encoding")) {
        bytes_ = client_.read_exactly(std::stoul(head.headers.at("content-length")));
        refusal = next().first;
        return;
    }
    auto [first, end] = next();
    if (end)
        refusal = first;
    else
        pid = static_cast<std::uint32_t>(first.at("event").at("start").at("pid").to_number<std::uint32_t>());
}

std::pair<boost::json::object, bool> EventStream::next() {
    const net::Envelope envelope = next_envelope();
    return {boost::json::parse(envelope.payload).as_object(), envelope.flags == net::envelope_end_of_stream};
}

net::Envelope EventStream::next_envelope() {
    const auto need = [&](std::size_t size) {
        while (bytes_.size() < size) {
            const std::string chunk = client_.read_chunk();
            if (chunk.empty()) throw std::runtime_error("the stream ended without an end frame");
            bytes_ += chunk;
        }
    };
    need(5);
    std::uint32_t length = 0;
    for (std::size_t i = 1; i < 5; ++i) length = length << 8 | static_cast<unsigned char>(bytes_[i]);
    need(5 + length);
    net::Envelope envelope{static_cast<std::uint8_t>(bytes_[0]), bytes_.substr(5, length)};
    bytes_.erase(0, 5 + length);
    return envelope;
}

EventStream::Result EventStream::rest() {
    Result result;
    for (;;) {
        const net::Envelope envelope = next_envelope();
        if (envelope.flags >= 0x40) {
            (envelope.flags == 0x40 ? result.out : envelope.flags == 0x41 ? result.err : result.terminal) += envelope.payload;
            result.largest = std::max(result.largest, envelope.payload.size());
            continue;
        }
        const auto payload = boost::json::parse(envelope.payload).as_object();
        if (envelope.flags == net::envelope_end_of_stream) {
            result.end_of_stream = payload;
            if (!bytes_.empty() || !client_.read_chunk().empty()) throw std::runtime_error("something follows the end frame");
            return result;
        }
        const auto& event = payload.at("event").as_object();
        if (event.contains("keepalive")) ++result.keepalives;
        if (const auto* data = event.if_contains("data")) {
            const auto take = [&](std::string_view name, std::string& into) {
                const auto* text = data->as_object().if_contains(name);
                if (text == nullptr) return;
                const std::string bytes = *decode_base64(std::string_view(text->as_string()));
                result.largest = std::max(result.largest, bytes.size());
                into += bytes;
            };
            take("stdout", result.out);
            take("stderr", result.err);
            take("pty", result.terminal);
        }
        if (const auto* last = event.if_contains("end")) result.end = last->as_object();
    }
}

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "sandboxkit-guest-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail("mkdtemp");
    path_ = name;
    // Other users of the tests need to get through.
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::path(std::string_view name) const {
    return name.empty() ? path_.string() : (path_ / name).string();
}

LiveGuest::LiveGuest(const LaunchOptions& options) {
    std::vector<std::string> arguments = {options.program.empty() ? "/proc/self/exe" : options.program};
    if (options.program.empty()) arguments.emplace_back("--guest");
    arguments.insert(arguments.end(), {"--listen-unix", socket()});
    arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
    std::vector<std::string> environment = guest_environment();
    environment.insert(environment.end(), options.environment.begin(), options.environment.end());
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);

    pid_ = static_cast<pid_t>(
        ::syscall(SYS_clone, (options.new_pid_namespace ? CLONE_NEWPID : 0) | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid_ < 0) fail("clone");
    if (pid_ == 0) {
        ::signal(SIGHUP, SIG_IGN); // as nohup(1) does: no process of the guest is to notice
        if (options.descriptor_limit != 0) {
            const rlimit limit{options.descriptor_limit, options.descriptor_limit};
            ::setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (options.file_size_limit != 0) {
            const rlimit limit{options.file_size_limit, options.file_size_limit};
            ::setrlimit(RLIMIT_FSIZE, &limit);
        }
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    // It listens when the socket takes a connection; it has failed when it is gone.
    for (;;) {
        try {
            const Client probe(socket());
            return;
        } catch (const std::runtime_error&) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) != 0) throw std::runtime_error("the guest did not start");
            ::sched_yield();
        }
    }
}

LiveGuest::~LiveGuest() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

int LiveGuest::terminate() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
}

Reply LiveGuest::request(std::string_view method, std::string_view target, const Headers& headers, std::string_view body) const {
    return connect().request(method, target, headers, body);
}

Reply LiveGuest::unary(std::string_view method, std::string_view json, Headers headers) const {
    headers.emplace_back("Content-Type", "application/json");
    headers.emplace_back("Connect-Protocol-Version", "1");
    return request("POST", method, headers, json);
}

EventStream LiveGuest::start(std::string_view json, Headers headers) const {
    return EventStream(connect(), "Start", json, std::move(headers));
}

EventStream LiveGuest::attach(std::uint32_t pid, Headers headers) const {
    return EventStream(connect(), "Connect", R"({"process":{"pid":)" + std::to_string(pid) + "}}", std::move(headers));
}

EventStream::Result LiveGuest::shell(std::string_view script, Headers headers) const {
    return start(shell_request(script), std::move(headers)).rest();
}

std::pair<int, std::string> run_guest(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"/proc/self/exe", "--guest"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> environment = guest_environment();
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    int ends[2];
    if (::pipe(ends) != 0) fail("pipe");
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    std::string said;
    std::array<char, 4096> piece;
    for (ssize_t n = 0; (n = ::read(ends[0], piece.data(), piece.size())) > 0;)
        said.append(piece.data(), static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string shell_request(std::string_view script, std::string_view more) {
    return R"({"process":{"cmd":"/bin/sh","args":["-c",)" + json_string(script) + "]" + std::string(more) + R"(},"stdin":false})";
}

} // namespace sandboxkit::guest::test
