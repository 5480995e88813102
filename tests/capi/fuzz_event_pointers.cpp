// SPDX-License-Identifier: Apache-2.0
// Whatever the pointer (the first line) into whatever JSON (the rest): what is found is what walking there finds.
#include "event.hpp"

#include <sandboxkit/json_pointer.hpp>
#include <sandboxkit/strict_json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace json = boost::json;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

const json::value* walk(const json::value& root, std::string_view pointer) {
    const auto tokens = sandboxkit::pointer_tokens(pointer);
    if (!tokens) return nullptr;
    const json::value* at = &root;
    for (const auto& token : *tokens) {
        if (const auto* object = at->if_object()) {
            at = object->if_contains(token);
        } else if (const auto* array = at->if_array()) {
            const auto index = sandboxkit::array_index(token);
            at = index && *index < array->size() ? &(*array)[*index] : nullptr;
        } else {
            at = nullptr;
        }
        if (!at) return nullptr;
    }
    return at;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto line = std::min(input.find('\n'), input.size());
    const auto pointer = input.substr(0, line);
    auto value = sandboxkit::parse_strict(input.substr(std::min(line + 1, input.size())));
    sbk_event event(SBK_EVENT_COMPLETION, 0);
    if (value) event.set_json(*value);
    const auto* const found = value ? walk(*value, pointer) : nullptr;

    std::size_t text_size = 1;
    const char* const text = sbk_event_text(&event, pointer.data(), pointer.size(), &text_size);
    const auto* const string = found ? found->if_string() : nullptr;
    expect((text != nullptr) == (string != nullptr), "a string is found where there is one");
    expect(text ? std::string_view(text, text_size) == std::string_view(*string) && text[text_size] == '\0' : text_size == 0,
           "it is that string, with a NUL behind it");

    std::int64_t number = 1;
    const auto status = sbk_event_integer(&number, &event, pointer.data(), pointer.size());
    expect(status == SBK_OK || status == SBK_NOT_FOUND, "an integer is found or not");
    expect(status == SBK_NOT_FOUND || (found && (found->is_bool() || found->is_number())), "an integer is a number or a truth");
    if (found && found->is_int64()) expect(status == SBK_OK && number == found->get_int64(), "it is that integer");
    if (status != SBK_OK) expect(number == 0, "what is not found is 0");
    return 0;
}
