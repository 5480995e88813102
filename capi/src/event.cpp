// SPDX-License-Identifier: Apache-2.0
#include "event.hpp"

#include "engine_handle.hpp"
#include "host.hpp"
#include "process_handle.hpp"

#include <sandboxkit/strict_json.hpp>

#include <boost/json/serialize.hpp>

#include <string_view>

namespace capi = sandboxkit::capi;
namespace json = boost::json;

namespace {

// Each byte that is not UTF-8 becomes U+FFFD, as everywhere on the web.
std::string valid_text(std::string_view given) {
    std::string out;
    while (true) {
        const std::size_t bad = sandboxkit::invalid_utf8_at(given);
        out += given.substr(0, bad);
        if (bad == std::string_view::npos) return out;
        out += "\xEF\xBF\xBD";
        given.remove_prefix(bad + 1);
    }
}

void make_valid(json::value& value) {
    if (auto* text = value.if_string()) {
        if (sandboxkit::invalid_utf8_at(*text) != std::string_view::npos) *text = valid_text(*text);
    } else if (auto* array = value.if_array()) {
        for (auto& element : *array) make_valid(element);
    } else if (auto* object = value.if_object()) {
        for (auto& member : *object) make_valid(member.value());
    }
}

const char* with_size(std::string_view text, size_t* size) {
    if (size) *size = text.size();
    return text.data();
}

const json::value* value_at(const sbk_event& event, const char* pointer, size_t pointer_size) {
    boost::system::error_code error;
    return event.json.find_pointer(capi::text(pointer, pointer_size), error);
}

} // namespace

sbk_event::~sbk_event() {
    if (request) request->refuse_unanswered();
    if (allowance) allowance->give_back(charged);
}

void sbk_event::set_json(json::value value) {
    make_valid(value);
    json_text = json::serialize(value);
    json = std::move(value);
}

sbk_event_kind sbk_event_get_kind(const sbk_event* event) {
    return capi::guarded_or(__func__, sbk_event_kind{}, [&] { return capi::object(event).kind; });
}

uint64_t sbk_event_tag(const sbk_event* event) {
    return capi::guarded_or(__func__, uint64_t{}, [&] { return capi::object(event).tag; });
}

sbk_status sbk_event_status(const sbk_event* event) {
    return capi::guarded(__func__, [&] { return capi::object(event).status; });
}

const char* sbk_event_json(const sbk_event* event, size_t* size) {
    if (size) *size = 0;
    return capi::guarded_or(__func__, static_cast<const char*>(nullptr), [&]() -> const char* {
        const auto& text = capi::object(event).json_text;
        return text.empty() ? nullptr : with_size(text, size);
    });
}

const char* sbk_event_text(const sbk_event* event, const char* pointer, size_t pointer_size, size_t* size) {
    if (size) *size = 0;
    return capi::guarded_or(__func__, static_cast<const char*>(nullptr), [&]() -> const char* {
        const auto* value = value_at(capi::object(event), pointer, pointer_size);
        const auto* string = value ? value->if_string() : nullptr;
        if (!string) return nullptr;
        if (size) *size = string->size();
        return string->c_str();
    });
}

sbk_status sbk_event_integer(int64_t* value, const sbk_event* event, const char* pointer, size_t pointer_size) {
    if (value) *value = 0;
    return capi::guarded(__func__, [&] {
        if (!value) throw capi::Misuse{};
        const auto* found = value_at(capi::object(event), pointer, pointer_size);
        if (!found) return SBK_NOT_FOUND;
        if (const bool* truth = found->if_bool()) {
            *value = *truth ? 1 : 0;
            return SBK_OK;
        }
        boost::system::error_code error;
        const auto number = found->is_number() ? found->to_number<std::int64_t>(error) : 0;
        if (!found->is_number() || error) return SBK_NOT_FOUND;
        *value = number;
        return SBK_OK;
    });
}

const char* sbk_event_bytes(const sbk_event* event, size_t* size) {
    if (size) *size = 0;
    return capi::guarded_or(__func__, "", [&] { return with_size(capi::object(event).bytes, size); });
}

const char* sbk_event_error_bytes(const sbk_event* event, size_t* size) {
    if (size) *size = 0;
    return capi::guarded_or(__func__, "", [&] { return with_size(capi::object(event).error_bytes, size); });
}

sbk_stream sbk_event_stream(const sbk_event* event) {
    return capi::guarded_or(__func__, SBK_STANDARD_OUTPUT, [&] { return capi::object(event).stream; });
}

uint64_t sbk_event_offset(const sbk_event* event) {
    return capi::guarded_or(__func__, uint64_t{}, [&] { return capi::object(event).offset; });
}

sbk_status sbk_event_take_engine(sbk_engine** engine, sbk_event* event) {
    return capi::guarded(__func__, engine, [&] {
        auto*& place = capi::result_at(engine);
        auto& from = capi::object(event);
        if (!from.engine) throw capi::Misuse{};
        place = new sbk_engine(from.engine);
        from.engine = nullptr;
        return SBK_OK;
    });
}

sbk_status sbk_event_take_process(sbk_process** process, sbk_event* event) {
    return capi::guarded(__func__, process, [&] {
        auto*& place = capi::result_at(process);
        auto& from = capi::object(event);
        if (!from.process) throw capi::Misuse{};
        place = new sbk_process(from.process);
        from.process = nullptr;
        return SBK_OK;
    });
}

sbk_status sbk_event_respond(sbk_event* event, const char* json, size_t json_size) {
    return capi::guarded(__func__, [&] {
        auto& asked = capi::object(event);
        const auto answer = capi::text(json, json_size);
        if (!asked.request) throw capi::Misuse{};
        return asked.request->respond(answer);
    });
}

sbk_status sbk_event_refuse(sbk_event* event, sbk_status status, const char* message, size_t message_size) {
    return capi::guarded(__func__, [&] {
        auto& asked = capi::object(event);
        const auto why = capi::text(message, message_size);
        const int number = capi::number_of(status);
        if (!asked.request || number < SBK_INVALID || number > SBK_INTERNAL) throw capi::Misuse{};
        return asked.request->refuse(static_cast<sandboxkit::ErrorClass>(status), why);
    });
}

void sbk_event_free(sbk_event* event) {
    capi::release(__func__, event);
}
