// SPDX-License-Identifier: Apache-2.0
#include <sandboxkit/secrets.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

#include <utility>

namespace sandboxkit {

namespace {

// Depth first, in the document's order. As deep as the document: who read it has limited that (JsonLimits::depth).
class Walk {
public:
    void value(const boost::json::value& value, std::string_view name, const std::string& pointer) {
        if (const auto* text = value.if_string()) {
            if (const auto found = find_secret(name, std::string_view(text->data(), text->size())))
                found_.push_back({pointer, *found, false});
        } else if (const auto* array = value.if_array()) {
            for (std::size_t i = 0; i < array->size(); ++i) this->value((*array)[i], name, pointer_to(pointer, i));
        } else if (const auto* object = value.if_object()) {
            members(*object, pointer);
        }
    }

    [[nodiscard]] std::vector<LocatedSecret> take() { return std::move(found_); }

private:
    void members(const boost::json::object& object, const std::string& pointer) {
        const boost::json::string* named = nullptr; // {"name": N, "value": V}
        if (const auto* n = object.if_contains("name"); n && object.contains("value")) named = n->if_string();
        for (const auto& member : object) {
            const std::string_view key(member.key().data(), member.key().size());
            const auto found = find_secret({}, key);
            if (found) found_.push_back({pointer, *found, true});
            const std::string_view name = named && key == "value" ? std::string_view(named->data(), named->size()) : key;
            // A pointer into such a member would show its name.
            value(member.value(), name, found ? pointer : pointer_to(pointer, key));
        }
    }

    std::vector<LocatedSecret> found_;
};

} // namespace

std::vector<LocatedSecret> locate_secrets(const boost::json::value& document) {
    Walk walk;
    walk.value(document, {}, {});
    return walk.take();
}

Problem secret_problem(const LocatedSecret& secret) {
    const std::size_t length = secret.finding.length;
    return {secret.pointer, "secret_like",
            std::string(secret.in_name ? "the name of a member" : "the value") + " looks like a credential: rule " +
                secret.finding.rule + ", " + std::to_string(length) + (length == 1 ? " byte" : " bytes"),
            "keep it where secrets are kept, or record an exception if it is none"};
}

std::vector<Problem> find_secrets(const boost::json::value& document) {
    ProblemList problems;
    for (const LocatedSecret& secret : locate_secrets(document)) {
        Problem problem = secret_problem(secret);
        problems.add(std::move(problem.pointer), std::move(problem.code), std::move(problem.message), std::move(problem.remedy));
    }
    return problems.take();
}

} // namespace sandboxkit
