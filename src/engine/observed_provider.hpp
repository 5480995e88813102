// SPDX-License-Identifier: Apache-2.0
// A provider that tells an observer before and after each call. Tests end the process there.
#pragma once

#include <sandboxkit/provider.hpp>

#include <functional>
#include <memory>
#include <string_view>

namespace sandboxkit::engine {

std::shared_ptr<Provider> observe(std::shared_ptr<Provider> provider, std::function<void(std::string_view step)> on_step);

} // namespace sandboxkit::engine
