// SPDX-License-Identifier: Apache-2.0
#include "engine/permissions.hpp"

#include "engine/records.hpp"

#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

#include <utility>

namespace sandboxkit::engine {

namespace {

Result<void> result_of(Decision decision) {
    if (decision.allowed) return {};
    return Error{ErrorClass::permission, "not_permitted", std::move(decision.reason), std::move(decision.remedy), "", {}};
}

Result<void> check(Context& context, Action action, const Principal& who, std::string_view profile, std::string_view owner) {
    PermissionContext known;
    known.session_owner = owner;
    AccessList list;
    if (needs_access_list(action, who)) {
        auto row = context.store->profile(profile);
        if (!row) return row.error();
        auto record = stored_record_of(*row);
        if (!record) return record.error();
        list = std::move(record->access);
        known.access_list = &list;
    }
    return result_of(decide(action, who, known));
}

} // namespace

Result<void> check_scopes(Action action, const Principal& who) {
    if (who.id.empty() || who.id.size() > 256 || invalid_utf8_at(who.id) != std::string_view::npos ||
        sandboxkit::detail::has_control_character(who.id))
        return Error{ErrorClass::invalid,
                     "principal_invalid",
                     "a principal's id has 1 to 256 bytes of UTF-8, without control characters",
                     "pass the authenticated user's id",
                     "",
                     {}};
    return result_of(decide_by_scopes(action, who));
}

Result<void> check_profile(Action action, const Principal& who, const AccessList& list) {
    PermissionContext known;
    known.access_list = &list;
    return result_of(decide(action, who, known));
}

ProfileInfo visible_to(const Principal& who, ProfileInfo info) {
    if (decide_by_scopes(Action::read_profile, who)) return info;
    Record visible;
    visible.name = std::move(info.record.name);
    visible.description = std::move(info.record.description);
    if (decide_by_scopes(Action::edit_access_list, who)) visible.access = std::move(info.record.access);
    info.record = std::move(visible);
    return info;
}

Result<void> check_profile(Context& context, Action action, const Principal& who, std::string_view profile) {
    return check(context, action, who, profile, {});
}

Result<void> check_session(Context& context, Action action, const Principal& who, const store::Session& session) {
    return check(context, action, who, session.profile, session.principal);
}

} // namespace sandboxkit::engine
