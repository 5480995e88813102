// SPDX-License-Identifier: Apache-2.0
// The last: nothing is left of all the others.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

namespace sandboxkit::conformance {
namespace {

void nothing_is_left(Bench& bench) {
    bench.remove_image();
    const auto sandboxes = bench.get("listing sandboxes", bench.provider().list(bench.run_labels()));
    bench.check(sandboxes.empty(), "no sandbox of this run is left", std::to_string(sandboxes.size()));
    std::size_t images = 0;
    for (const auto& each : bench.get("listing images", bench.provider().list_images()))
        if (const auto found = each.labels.find(run_label);
            found != each.labels.end() && found->second == bench.run_labels().at(run_label))
            ++images;
    bench.check(images == 0, "no image of this run is left", std::to_string(images));
    if (!bench.can().volumes) return;
    const auto volumes_left = bench.get("listing volumes", bench.provider().list_volumes(bench.run_labels()));
    bench.check(volumes_left.empty(), "no volume of this run is left", std::to_string(volumes_left.size()));
}

} // namespace

Group clean_cases() {
    return {"clean", {{"nothing_is_left", "no sandbox, image or volume of the run is left", nothing_is_left}}};
}

} // namespace sandboxkit::conformance
