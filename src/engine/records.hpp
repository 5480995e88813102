// SPDX-License-Identifier: Apache-2.0
// Rows of the store as the public records of the engine.
#pragma once

#include "store/store.hpp"

namespace sandboxkit::engine {

// The recipe of a draft or version. data_loss "stored_recipe_damaged" when it cannot be read.
Result<Recipe> stored_recipe(std::string_view canonical);

// The record of a profile beside its name, as canonical JSON.
std::string stored_record(const Record& record);

// data_loss "stored_record_damaged" when it cannot be read.
Result<Record> stored_record_of(const store::Profile& profile);
Result<ProfileInfo> to_info(const store::Profile& profile);
Result<VersionInfo> to_info(const store::Version& version);
Result<SessionInfo> to_info(const store::Session& session);

} // namespace sandboxkit::engine
