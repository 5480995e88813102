// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/seccomp_profile.hpp"

#include "sandbox/seccomp_rules.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <string_view>

namespace sandboxkit::docker {

namespace json = boost::json;
using namespace posture;

namespace {

json::array names(auto&& list) {
    json::array result;
    for (const char* each : list) result.emplace_back(std::string_view(each));
    return result;
}

json::object rule(json::array calls, std::string_view action) {
    return {{"names", std::move(calls)}, {"action", action}};
}

json::object failing(json::array calls, int error) {
    json::object result = rule(std::move(calls), "SCMP_ACT_ERRNO");
    result["errnoRet"] = error;
    return result;
}

// By the first argument. Of a masked comparison the value is the mask, and what remains must be 0.
json::object with_argument(json::object rule, std::string_view comparison, unsigned long value) {
    rule["args"] = json::array{json::object{{"index", 0}, {"value", value}, {"valueTwo", 0}, {"op", comparison}}};
    return rule;
}

std::string write_profile() {
    json::array rules;
    rules.push_back(rule(names(allowed_calls), "SCMP_ACT_ALLOW"));
    rules.push_back(failing(names(absent_calls), ENOSYS));
    rules.push_back(with_argument(rule({"clone"}, "SCMP_ACT_ALLOW"), "SCMP_CMP_MASKED_EQ", namespace_flags));
    for (const unsigned long value : personalities)
        rules.push_back(with_argument(rule({"personality"}, "SCMP_ACT_ALLOW"), "SCMP_CMP_EQ", value));
    rules.push_back(with_argument(rule({"socket"}, "SCMP_ACT_ALLOW"), "SCMP_CMP_LT", first_refused_family));
    rules.push_back(with_argument(failing({"socket"}, EAFNOSUPPORT), "SCMP_CMP_GE", first_refused_family));
    const auto map = [](std::string_view architecture, std::initializer_list<json::value_ref> others) {
        return json::object{{"architecture", architecture}, {"subArchitectures", json::array(others)}};
    };
    const json::object profile{
        {"defaultAction", "SCMP_ACT_ERRNO"},
        {"archMap", json::array{map("SCMP_ARCH_X86_64", {"SCMP_ARCH_X86"}), map("SCMP_ARCH_AARCH64", {"SCMP_ARCH_ARM"})}},
        {"syscalls", std::move(rules)},
    };
    return json::serialize(profile);
}

} // namespace

const std::string& seccomp_profile() {
    static const std::string profile = write_profile();
    return profile;
}

} // namespace sandboxkit::docker
