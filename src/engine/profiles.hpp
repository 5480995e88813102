// SPDX-License-Identifier: Apache-2.0
// Profiles as wholes: made, copied, moved between stores, looked at, deleted.
#pragma once

#include "engine/context.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::engine {

Result<ProfileInfo> create_profile(Context& context, const Principal& who, std::string_view document,
                                   std::string_view client_token);
Result<ProfileInfo> duplicate_profile(Context& context, const Principal& who, std::string_view id, std::string_view name);
Task<void> delete_profile(Context& context, Principal who, std::string id, bool force);

Result<std::string> export_version(Context& context, std::string_view id, std::uint32_t number);
Result<ProfileInfo> import_version(Context& context, const Principal& who, std::string_view file, std::string_view name);

Result<Overview> overview(Context& context, std::string_view id);
Result<std::vector<ActivityEntry>> activity(Context& context, std::string_view id, std::uint32_t limit,
                                            std::optional<std::int64_t> before);

} // namespace sandboxkit::engine
