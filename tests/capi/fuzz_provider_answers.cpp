// SPDX-License-Identifier: Apache-2.0
// Whatever a provider of the host answers (the first byte chooses the operation, the rest is the answer): it is taken, as a value
// or an error with a code, or refused with problems that are valid UTF-8.
#include "operation.hpp"
#include "provider_json.hpp"

#include <sandboxkit/strict_json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace {

using namespace sandboxkit;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

template <class T>
void read(const boost::json::value& answer) {
    std::optional<Result<T>> out;
    if (const auto taken = capi::read_provider_answer<T>(answer, out)) {
        expect(out && (out->has_value() || !out->error().code.empty()), "what is taken says something");
        return;
    } else {
        const auto error = taken.error();
        expect(error.kind == ErrorClass::internal && error.code == "provider_answer" && !error.problems.empty(),
               "a wrong answer is told with its problems");
        sbk_event told(SBK_EVENT_COMPLETION, 0);
        capi::write_error(told, error);
        expect(parse_strict(told.json_text).has_value(), "the problems are valid JSON");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto answer = parse_strict(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
    if (!answer) return 0;
    switch (data[0] % 10) {
    case 8: read<void>(*answer); break; // '0', and so on
    case 9: read<Capabilities>(*answer); break;
    case 0: read<ImageInfo>(*answer); break;
    case 1: read<std::vector<ImageInfo>>(*answer); break;
    case 2: read<SandboxInfo>(*answer); break;
    case 3: read<std::vector<SandboxInfo>>(*answer); break;
    case 4: read<Endpoint>(*answer); break;
    case 5: read<CaptureResult>(*answer); break;
    case 6: read<VolumeInfo>(*answer); break;
    default: read<std::vector<VolumeInfo>>(*answer); break;
    }
    return 0;
}
