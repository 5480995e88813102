// SPDX-License-Identifier: Apache-2.0
// The header fields of a request that say how its stream is to be.
#pragma once

#include "guest/output_stream.hpp"
#include "guest/request_reader.hpp"
#include "guest/rpc_error.hpp"

#include <chrono>
#include <optional>

namespace sandboxkit::guest {

[[nodiscard]] Answer<std::chrono::seconds> keepalive_interval(const RequestHead& head);
// Nothing: no limit.
[[nodiscard]] Answer<std::optional<std::chrono::milliseconds>> time_limit(const RequestHead& head);
// Of Start and Connect.
[[nodiscard]] Answer<OutputStream::Options> output_options(const RequestHead& head);

} // namespace sandboxkit::guest
