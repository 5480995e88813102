// SPDX-License-Identifier: Apache-2.0
// A command that is being put together.
#pragma once

#include "guard.hpp"

#include <sandboxkit/session.hpp>

struct sbk_command : sandboxkit::capi::Owned {
    sandboxkit::ExecRequest request;
};
