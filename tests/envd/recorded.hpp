// SPDX-License-Identifier: Apache-2.0
// Answers of a real envd 0.6.13, byte for byte but for the Date header.
#pragma once

#include <string>
#include <string_view>

namespace sandboxkit::test::recorded {

inline constexpr std::string_view stream_head =
    "HTTP/1.1 200 OK\r\nConnect-Accept-Encoding: gzip\r\nContent-Type: application/connect+json\r\n"
    "Vary: Origin\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

// bash -c 'echo out; echo err >&2; echo $FOO $A $PWD $HOME; exit 3': the chunks' contents.
inline constexpr std::string_view command_chunks[] = {
    {"\0\0\0\0 {\"event\":{\"start\":{\"pid\":7659}}}", 0x25},
    {"\0\0\0\0({\"event\":{\"data\":{\"stdout\":\"b3V0Cg==\"}}}", 0x2d},
    {"\0\0\0\0({\"event\":{\"data\":{\"stderr\":\"ZXJyCg==\"}}}", 0x2d},
    {"\0\0\0\0008{\"event\":{\"data\":{\"stdout\":\"YmFyIDEgL3RtcCAvcm9vdAo=\"}}}", 0x3d},
    {"\0\0\0\0b{\"event\":{\"end\":{\"exitCode\":3, \"exited\":true, \"status\":\"exit status 3\", \"error\":\"exit status "
     "3\"}}}",
     0x67},
    {"\2\0\0\0\2{}", 7},
};
inline constexpr std::string_view missing_cwd_frame{
    "\2\0\0\0L{\"error\":{\"code\":\"invalid_argument\",\"message\":\"cwd '/nope' does not exist\"}}", 0x51};
inline constexpr std::string_view bad_user = {
    "HTTP/1.1 200 OK\r\nContent-Type: application/connect+json\r\nVary: Origin\r\nContent-Length: 80\r\nConnection: close\r\n\r\n"
    "\2\0\0\0K{\"error\":{\"code\":\"unauthenticated\",\"message\":\"invalid username: 'nouser'\"}}",
    112 + 80};
inline constexpr std::string_view start_event{"\0\0\0\0 {\"event\":{\"start\":{\"pid\":7662}}}", 0x25};
inline constexpr std::string_view deadline_frame{
    "\2\0\0\0L{\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"context deadline exceeded\"}}", 0x51};
inline constexpr std::string_view killed_event{
    "\0\0\0\0V{\"event\":{\"end\":{\"exitCode\":-1, \"status\":\"signal: killed\", \"error\":\"signal: killed\"}}}", 0x5b};
inline constexpr std::string_view keepalive_event{"\0\0\0\0\x1a{\"event\":{\"keepalive\":{}}}", 0x1f};
inline constexpr std::string_view exit_zero_event{
    "\0\0\0\0;{\"event\":{\"end\":{\"exited\":true, \"status\":\"exit status 0\"}}}", 0x40};
inline constexpr std::string_view terminal_event{"\0\0\0\0){\"event\":{\"data\":{\"pty\":\"MzAgMTAwDQo=\"}}}", 0x2e};
inline constexpr std::string_view end_frame{"\2\0\0\0\2{}", 7};

inline constexpr std::string_view health =
    "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nContent-Type: \r\nVary: Origin\r\n\r\n";
inline constexpr std::string_view init =
    "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nVary: Origin\r\nX-Envd-Version: 0.6.13\r\n\r\n";

inline std::string answer(std::string_view status, std::string_view type, std::string_view body) {
    return "HTTP/1.1 " + std::string(status) + "\r\nAccept-Encoding: gzip\r\nContent-Type: " + std::string(type) +
           "\r\nVary: Origin\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string json(std::string_view body) {
    return answer("200 OK", "application/json", body);
}

inline constexpr std::string_view unauthorized_body =
    "{\"code\":401,\"message\":\"unauthorized access, please provide a valid access token or method signing if supported\"}\n";
inline constexpr std::string_view entry_body =
    "{\"entry\":{\"name\":\"a\", \"type\":\"FILE_TYPE_DIRECTORY\", \"path\":\"/tmp/pd/a\", \"size\":\"4096\", \"mode\":493, "
    "\"permissions\":\"drwxr-xr-x\", \"owner\":\"root\", \"group\":\"root\", "
    "\"modifiedTime\":\"2026-11-20T23:13:47.176244826Z\"}}";
inline constexpr std::string_view entries_body =
    "{\"entries\":[{\"name\":\"a\", \"type\":\"FILE_TYPE_DIRECTORY\", \"path\":\"/tmp/pd/a\", \"size\":\"4096\", \"mode\":493, "
    "\"permissions\":\"drwxr-xr-x\", \"owner\":\"root\", \"group\":\"root\", "
    "\"modifiedTime\":\"2026-11-20T23:13:47.176244826Z\"}, "
    "{\"name\":\"f.txt\", \"type\":\"FILE_TYPE_FILE\", \"path\":\"/tmp/pd/f.txt\", \"size\":\"5\", \"mode\":420, "
    "\"permissions\":\"-rw-r--r--\", "
    "\"owner\":\"root\", \"group\":\"root\", \"modifiedTime\":\"2026-11-20T23:13:47.181897250Z\", "
    "\"metadata\":{\"color\":\"blue\"}}]}";
inline constexpr std::string_view processes_body =
    "{\"processes\":[{\"config\":{\"cmd\":\"/bin/cat\"}, \"pid\":7666, \"tag\":\"cat1\"}]}";
inline constexpr std::string_view written_body =
    "[{\"metadata\":{\"color\":\"blue\"},\"name\":\"f.txt\",\"path\":\"/tmp/pd/f.txt\",\"type\":\"file\"}]";

inline std::string chunk(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string size;
    for (std::size_t n = bytes.size(); n > 0; n /= 16) size.insert(size.begin(), digits[n % 16]);
    return size + "\r\n" + std::string(bytes) + "\r\n";
}
// A whole streamed answer of these chunks.
template <class... Chunks>
std::string stream(const Chunks&... chunks) {
    return std::string(stream_head) + (chunk(chunks) + ... + std::string("0\r\n\r\n"));
}
inline std::string command() {
    std::string bytes(stream_head);
    for (const auto part : command_chunks) bytes += chunk(part);
    return bytes + "0\r\n\r\n";
}

} // namespace sandboxkit::test::recorded
