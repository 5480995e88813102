// SPDX-License-Identifier: Apache-2.0
#include "local/runtime/guest_exec.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace sandboxkit::test {
namespace {

namespace json = boost::json;

std::string decode_base64(std::string_view text) {
    std::string result;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const auto value = alphabet.find(c);
        if (value == std::string_view::npos) break;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) result += static_cast<char>(bits >> (count -= 8) & 0xff);
    }
    return result;
}

int connect_to(const std::filesystem::path& socket) {
    const int directory = ::open(socket.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + socket.filename().string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(directory);
    if (connected) return fd;
    ::close(fd);
    return -1;
}

std::string unchunk(std::string_view body) {
    std::string result;
    while (!body.empty()) {
        const auto line = body.find("\r\n");
        if (line == std::string_view::npos) break;
        const auto size = std::strtoul(std::string(body.substr(0, line)).c_str(), nullptr, 16);
        body.remove_prefix(line + 2);
        if (size == 0 || body.size() < size) break;
        result += body.substr(0, size);
        body.remove_prefix(std::min(body.size(), size + 2));
    }
    return result;
}

void read_frame(std::string_view frame, Output& output) {
    const json::value value = json::parse(frame);
    const auto* event = value.as_object().if_contains("event");
    if (event == nullptr) return;
    if (const auto* data = event->as_object().if_contains("data")) {
        for (const char* stream : {"stdout", "stderr"})
            if (const auto* text = data->as_object().if_contains(stream))
                output.text += decode_base64(std::string_view(text->as_string()));
    } else if (const auto* end = event->as_object().if_contains("end")) {
        const auto* code = end->as_object().if_contains("exitCode");
        output.code = code != nullptr ? code->to_number<int>() : 0;
    }
}

} // namespace

Output exec(const std::filesystem::path& socket, const std::vector<std::string>& command, std::chrono::seconds limit) {
    Output output;
    const int fd = connect_to(socket);
    if (fd < 0) {
        output.trace = "cannot connect";
        return output;
    }
    const timeval timeout{limit.count(), 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    json::array arguments;
    for (std::size_t i = 1; i < command.size(); ++i) arguments.emplace_back(command[i]);
    const std::string message =
        json::serialize(json::object{{"process", json::object{{"cmd", command.at(0)}, {"args", arguments}}}, {"stdin", false}});
    const auto size = static_cast<std::uint32_t>(message.size());
    std::string body{'\0', static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                     static_cast<char>(size)};
    body += message;
    const std::string request =
        "POST /process.Process/Start HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Type: application/connect+json\r\n"
        "Connect-Protocol-Version: 1\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    std::string answer;
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
        std::array<char, 16384> buffer{};
        for (ssize_t count = 0; (count = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
            answer.append(buffer.data(), static_cast<std::size_t>(count));
    }
    ::close(fd);
    output.trace = answer;
    const auto head = answer.find("\r\n\r\n");
    if (head == std::string::npos) return output;
    std::string frames = answer.substr(head + 4);
    if (answer.substr(0, head).find("chunked") != std::string::npos) frames = unchunk(frames);
    for (std::string_view rest = frames; rest.size() >= 5;) {
        std::uint32_t length = 0;
        for (int i = 1; i < 5; ++i) length = length << 8 | static_cast<unsigned char>(rest[static_cast<std::size_t>(i)]);
        if (rest.size() < 5 + std::size_t{length}) break;
        read_frame(rest.substr(5, length), output);
        rest.remove_prefix(5 + std::size_t{length});
    }
    return output;
}

Output shell(const std::filesystem::path& socket, const std::string& script, std::chrono::seconds limit) {
    return exec(socket, {"/bin/sh", "-c", script}, limit);
}

} // namespace sandboxkit::test
