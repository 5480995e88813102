// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tree/file_descriptor.hpp"

namespace sandboxkit::guest {

using tree::FileDescriptor;

} // namespace sandboxkit::guest
