// SPDX-License-Identifier: Apache-2.0
#include "envd/json_reader.hpp"

#include "envd/bounded_text.hpp"

#include <boost/json/memory_resource.hpp>
#include <boost/json/parser.hpp>

#include <algorithm>
#include <charconv>
#include <new>
#include <stdexcept>

namespace sandboxkit::envd {

namespace json = boost::json;

namespace {

constexpr std::size_t depth_limit = 32;

// A few bytes of text can become a value of many; the whole is what must be bounded.
// Boost.JSON 1.81 gives a key back with another alignment than it asked for: the alignment is not used.
class BudgetResource final : public json::memory_resource {
public:
    explicit BudgetResource(std::size_t budget) : budget_(budget), left_(budget) {}

private:
    void* do_allocate(std::size_t n, std::size_t) override {
        if (n > left_) throw std::bad_alloc();
        void* const p = ::operator new(n);
        left_ -= n;
        return p;
    }
    void do_deallocate(void* p, std::size_t n, std::size_t) override {
        left_ = std::min(budget_, left_ + n);
        ::operator delete(p);
    }
    bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }

    const std::size_t budget_;
    std::size_t left_;
};

Error wrong_type(std::string_view name, std::string_view expected) {
    return protocol_error("the member '" + std::string(name) + "' of the sandbox's answer is not " + std::string(expected));
}

const json::value* present(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
    return value != nullptr && !value->is_null() ? value : nullptr;
}

} // namespace

Error protocol_error(std::string what, std::string_view peer_text) {
    return Error{ErrorClass::internal, "peer_protocol", std::move(what), "", bounded_text(peer_text), {}};
}

Result<void> with_json_object(std::string_view text, const std::function<Result<void>(const json::object&)>& use) {
    BudgetResource memory(text.size() * 8 + 64 * 1024);
    json::parse_options options;
    options.max_depth = depth_limit;
    try {
        boost::system::error_code error;
        json::parser parser(json::storage_ptr(&memory), options); // its own stack is in the budget too
        parser.reset(json::storage_ptr(&memory));
        parser.write(text.data(), text.size(), error);
        const json::value value = error ? json::value() : parser.release();
        if (error)
            return protocol_error("the sandbox answered with text that is not JSON: " + error.message(), text.substr(0, 256));
        const auto* object = value.if_object();
        if (object == nullptr) return protocol_error("the sandbox answered with JSON that is not an object", text.substr(0, 256));
        return use(*object);
    } catch (const std::bad_alloc&) {
        return protocol_error("the sandbox answered with JSON that takes too much memory");
    } catch (const std::length_error&) {
        return protocol_error("the sandbox answered with JSON that takes too much memory");
    }
}

Result<std::string> string_member(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    if (value == nullptr) return std::string();
    const auto* text = value->if_string();
    if (text == nullptr) return wrong_type(name, "a string");
    return std::string(text->data(), text->size());
}

Result<bool> bool_member(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    if (value == nullptr) return false;
    if (!value->is_bool()) return wrong_type(name, "a truth value");
    return value->get_bool();
}

Result<std::optional<std::int64_t>> integer_member(const json::object& object, std::string_view name, std::int64_t min,
                                                   std::int64_t max) {
    const auto* value = present(object, name);
    if (value == nullptr) return std::optional<std::int64_t>{};
    std::int64_t number = 0;
    if (const auto* i = value->if_int64()) {
        number = *i;
    } else if (const auto* text = value->if_string()) {
        const auto parsed = std::from_chars(text->data(), text->data() + text->size(), number);
        if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size()) return wrong_type(name, "an integer");
    } else {
        return wrong_type(name, "an integer");
    }
    if (number < min || number > max)
        return protocol_error("the member '" + std::string(name) +
                              "' of the sandbox's answer is out of range: " + std::to_string(number));
    return std::optional(number);
}

Result<const json::object*> object_member(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    if (value == nullptr) return static_cast<const json::object*>(nullptr);
    if (!value->is_object()) return wrong_type(name, "an object");
    return value->if_object();
}

Result<const json::array*> array_member(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    if (value == nullptr) return static_cast<const json::array*>(nullptr);
    if (!value->is_array()) return wrong_type(name, "an array");
    return value->if_array();
}

} // namespace sandboxkit::envd
