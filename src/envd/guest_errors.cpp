// SPDX-License-Identifier: Apache-2.0
#include "envd/guest_errors.hpp"

#include "envd/bounded_text.hpp"
#include "envd/json_reader.hpp"

#include <algorithm>
#include <string>

namespace sandboxkit::envd {

namespace json = boost::json;

namespace {

struct CodeRow {
    std::string_view code;
    ErrorClass kind;
    std::string_view text;
};

// https://connectrpc.com/docs/protocol#error-codes
constexpr CodeRow codes[] = {
    {"canceled", ErrorClass::unavailable, "it gave the call up"},
    {"unknown", ErrorClass::internal, "it failed for a reason it does not know"},
    {"invalid_argument", ErrorClass::invalid, "the request is not valid"},
    {"deadline_exceeded", ErrorClass::timeout, "the time allowed ran out"},
    {"not_found", ErrorClass::not_found, "there is no such thing"},
    {"already_exists", ErrorClass::conflict, "it exists already"},
    {"permission_denied", ErrorClass::permission, "it is not allowed"},
    {"resource_exhausted", ErrorClass::quota, "a limit was reached"},
    {"failed_precondition", ErrorClass::conflict, "the state does not allow it"},
    {"aborted", ErrorClass::conflict, "something else got in the way"},
    {"out_of_range", ErrorClass::invalid, "a value is out of range"},
    {"unimplemented", ErrorClass::unsupported, "it does not have this operation"},
    {"internal", ErrorClass::internal, "it failed"},
    {"unavailable", ErrorClass::unavailable, "it is not available now"},
    {"data_loss", ErrorClass::data_loss, "data was lost or is damaged"},
    {"unauthenticated", ErrorClass::permission, "the user or the access token is not accepted"},
};

const CodeRow* find(std::string_view code) {
    const auto* row = std::ranges::find(codes, code, &CodeRow::code);
    return row != std::end(codes) ? row : nullptr;
}

} // namespace

ErrorClass class_of_connect_code(std::string_view code) {
    const auto* row = find(code);
    return row != nullptr ? row->kind : ErrorClass::internal;
}

std::string_view connect_code_of_status(unsigned status) {
    switch (status) {
    case 400: return "invalid_argument";
    case 401: return "unauthenticated";
    case 403: return "permission_denied";
    case 404: return "not_found";
    case 409: return "already_exists";
    case 413:
    case 429:
    case 507: return "resource_exhausted"; // 507: envd's disk is full
    case 499: return "canceled";
    case 500: return "internal";
    case 501: return "unimplemented";
    case 502:
    case 503: return "unavailable";
    case 504: return "deadline_exceeded";
    default: return "unknown";
    }
}

Error guest_error(std::string_view operation, std::string_view connect_code, std::string_view peer_message) {
    const auto* row = find(connect_code);
    if (row == nullptr) row = find("unknown");
    return Error{row->kind,
                 "guest_" + std::string(row->code),
                 "the sandbox refused '" + std::string(operation) + "': " + std::string(row->text),
                 "",
                 bounded_text(peer_message),
                 {}};
}

Error error_of_end_frame(std::string_view operation, const json::object& error) {
    const auto code = string_member(error, "code");
    if (!code) return code.error();
    const auto message = string_member(error, "message");
    if (!message) return message.error();
    return guest_error(operation, *code, *message);
}

Error error_of_response(std::string_view operation, Route route, const net::HttpResponse& response) {
    unsigned status = response.head.status;
    std::string code;
    std::string message = response.body;
    const bool is_json = net::has_media_type(response.head.headers, "application/json");
    if (is_json) {
        // {"code": "not_found"} is Connect's, {"code": 404} a plain endpoint's or a proxy's.
        const auto parsed = with_json_object(response.body, [&](const json::object& body) -> Result<void> {
            const auto text = string_member(body, "message");
            if (text) message = *text;
            const auto name = string_member(body, "code");
            if (name) code = *name;
            const auto number = integer_member(body, "code", 400, 599);
            if (number && *number) status = static_cast<unsigned>(**number);
            return {};
        });
        if (!parsed) message = response.body;
    }
    if (!is_json && status == 404 && route == Route::rpc) code = "unimplemented";
    if (find(code) == nullptr) code = connect_code_of_status(status);
    return guest_error(operation, code, message.empty() ? "HTTP status " + std::to_string(status) : message);
}

} // namespace sandboxkit::envd
