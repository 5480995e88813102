// SPDX-License-Identifier: Apache-2.0
// The directory beside the store, and the bond between the two: a store finds its sandboxes, images and fellow engines in its
// state directory, and in another one it would take them all for lost. A state directory may serve several stores.
#pragma once

#include <sandboxkit/engine.hpp>

#include "store/store.hpp"

#include <filesystem>

namespace sandboxkit::engine {

// Absolute, as EngineOptions::state_directory says.
[[nodiscard]] std::filesystem::path state_directory_of(const EngineOptions& options);

// Binds a new store to `directory`, which is made when it is missing; refuses a store that is bound to another one: conflict
// "state_directory_elsewhere". A directory is known by the random id in its file "id", wherever it is moved.
[[nodiscard]] Result<void> bind_state_directory(store::Store& store, const std::filesystem::path& directory, IdSource& ids);

} // namespace sandboxkit::engine
