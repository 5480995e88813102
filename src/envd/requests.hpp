// SPDX-License-Identifier: Apache-2.0
// The requests of the wire, made from checked values: text that JSON or HTTP cannot carry is refused here
// (ErrorClass::invalid), before anything is sent.
#pragma once

#include "envd/client.hpp"
#include "net/http_message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::envd {

// The headers of every request: the endpoint's own, the access token, and the offer of our extensions.
[[nodiscard]] net::HttpHeaders common_headers(const Endpoint& endpoint, std::string_view access_token);

Result<net::HttpRequest> health_request();
Result<net::HttpRequest> init_request(const InitRequest& request);

Result<net::HttpRequest> start_request(const ExecRequest& request, std::string_view tag);
Result<net::HttpRequest> connect_request(const ProcessSelector& process, std::optional<std::uint64_t> offset);
Result<net::HttpRequest> list_request();
Result<net::HttpRequest> input_request(std::uint32_t pid, std::string_view bytes, bool to_terminal);
Result<net::HttpRequest> resize_request(std::uint32_t pid, const TerminalSize& size);
Result<net::HttpRequest> close_stdin_request(std::uint32_t pid);
Result<net::HttpRequest> signal_request(std::uint32_t pid, int signal); // 1..64; but 9 and 15 in the form of our extension

Result<net::HttpRequest> path_request(std::string_view method, std::string_view path, bool idempotent); // Stat, MakeDir, Remove
Result<net::HttpRequest> list_dir_request(std::string_view path, std::uint32_t depth);
Result<net::HttpRequest> move_request(std::string_view source, std::string_view destination);
Result<net::HttpRequest> read_file_request(std::string_view path);
Result<net::HttpRequest> watch_request(std::string_view path, bool recursive);
Result<net::HttpRequest> write_file_request(std::string_view path, std::string bytes);

Result<net::HttpRequest> tunnel_request();

Result<net::HttpRequest> download_tree_request(std::string_view path);
Result<net::HttpRequest> upload_tree_request(std::string_view path); // without its body

} // namespace sandboxkit::envd
