// SPDX-License-Identifier: Apache-2.0
// What outlives sandboxes.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>

namespace sandboxkit::conformance {
namespace {

VolumeInfo make(Bench& bench, const std::string& suffix = "") {
    // Tokens of sandboxes and of volumes are apart; the run's make it new.
    return bench.get("making a volume", bench.provider().ensure_volume(bench.request().token + suffix, bench.labels()));
}

CreateRequest with(Bench& bench, const VolumeInfo& volume, bool read_only = false) {
    auto request = bench.request();
    request.volumes.push_back({volume.id, "/srv/volume", read_only});
    return request;
}

bool lists(Bench& bench, const std::string& id) {
    return std::ranges::count(bench.get("listing volumes", bench.provider().list_volumes(bench.labels())), id, &VolumeInfo::id) ==
           1;
}

void idempotent(Bench& bench) {
    const auto token = bench.request().token;
    const auto first = bench.get("making a volume", bench.provider().ensure_volume(token, bench.labels()));
    auto others = bench.labels();
    others["colour"] = "red";
    const auto second = bench.get("making it again", bench.provider().ensure_volume(token, others));
    bench.equal("the id of the second", second.id, first.id);
    bench.check(second.labels == bench.labels(), "it has the labels that it was made with");
    const auto third = make(bench, "-other");
    bench.check(third.id != first.id, "another token makes another volume");
    bench.check(lists(bench, first.id) && lists(bench, third.id), "both are listed, once");
    bench.get("removing", bench.provider().remove_volume(first.id));
    bench.get("removing again", bench.provider().remove_volume(first.id));
    bench.check(!lists(bench, first.id) && lists(bench, third.id), "the one that was removed is not listed");
}

void persists(Bench& bench) {
    const auto volume = make(bench);
    auto first = bench.start(with(bench, volume));
    (void)first.text("echo kept > /srv/volume/file; mkdir -m 0700 /srv/volume/d; chown 1000:1000 /srv/volume/d");
    if (bench.can().stop_and_resume) {
        first.stop();
        first.start();
        bench.equal("a file after a stop", first.text("cat /srv/volume/file"), "kept\n");
    }
    first.destroy();
    auto second = bench.start(with(bench, volume));
    bench.equal("what the next sandbox sees", second.text("cat /srv/volume/file; stat -c '%a %u' /srv/volume/d"),
                "kept\n700 1000\n");
}

void shared(Bench& bench) {
    const auto volume = make(bench);
    auto first = bench.start(with(bench, volume));
    auto second = bench.start(with(bench, volume));
    (void)first.text("echo hello > /srv/volume/file");
    bench.equal("what the other sandbox sees", second.text("cat /srv/volume/file"), "hello\n");
    auto third = bench.start();
    bench.check(!third.works("test -e /srv/volume/file"), "one without the volume sees nothing of it");
}

void read_only(Bench& bench) {
    const auto volume = make(bench);
    auto writer = bench.start(with(bench, volume));
    (void)writer.text("echo kept > /srv/volume/file");
    auto reader = bench.start(with(bench, volume, true));
    bench.equal("what is read", reader.text("cat /srv/volume/file"), "kept\n");
    for (const char* attempt :
         {"echo x > /srv/volume/file", "rm -f /srv/volume/file", "touch /srv/volume/new", "chmod 777 /srv/volume",
          "mount -o remount,rw /srv/volume && touch /srv/volume/new", "umount /srv/volume"})
        bench.check(!reader.works(attempt), std::string(attempt) + " fails");
    bench.equal("the file", writer.text("cat /srv/volume/file; ls /srv/volume"), "kept\nfile\n");
}

void not_captured(Bench& bench) {
    const auto volume = make(bench);
    auto sandbox = bench.start(with(bench, volume));
    (void)sandbox.text("echo secret > /srv/volume/file; echo kept > /root/kept");
    auto request = bench.request();
    request.image_id = sandbox.capture().image.id;
    auto second = bench.start(request);
    bench.check(second.works("test -e /root/kept && ! test -e /srv/volume/file"),
                "the image has what is beside the volume, and nothing of it");
}

void in_use(Bench& bench) {
    const auto volume = make(bench);
    auto sandbox = bench.create(with(bench, volume));
    bench.refused("removing a volume that a sandbox uses", bench.provider().remove_volume(volume.id), {ErrorClass::conflict});
    sandbox.start();
    bench.refused("removing a volume that a running sandbox uses", bench.provider().remove_volume(volume.id),
                  {ErrorClass::conflict});
    bench.check(lists(bench, volume.id) && sandbox.works("touch /srv/volume/x"), "nothing happened to either");
    sandbox.destroy();
    bench.get("removing it when nobody uses it", bench.provider().remove_volume(volume.id));
}

void refused_requests(Bench& bench) {
    const auto volume = make(bench);
    const auto refused = [&](const char* what, std::vector<VolumeMount> mounts, ErrorClass kind) {
        auto request = bench.request();
        request.volumes = std::move(mounts);
        bench.refused(what, bench.provider().create(request), {kind});
    };
    refused("a volume that is not there", {{"no-such-volume", "/srv/v", false}}, ErrorClass::not_found);
    refused("a relative path", {{volume.id, "srv/v", false}}, ErrorClass::invalid);
    refused("a path within another", {{volume.id, "/srv/v", false}, {volume.id, "/srv/v/w", false}}, ErrorClass::invalid);
    bench.check(bench.sandboxes().empty(), "nothing is left of what was refused");
}

void labels_filter(Bench& bench) {
    auto labels = bench.labels();
    labels["colour"] = "red";
    const auto red = bench.get("making a volume", bench.provider().ensure_volume(bench.request().token, labels));
    labels["colour"] = "reddish";
    (void)bench.get("making a volume", bench.provider().ensure_volume(bench.request().token, labels));
    labels["colour"] = "red";
    const auto found = bench.get("listing", bench.provider().list_volumes(labels));
    bench.check(found.size() == 1 && found.front().id == red.id, "labels are compared exactly");
}

void without_them(Bench& bench) {
    auto request = bench.request();
    request.volumes.push_back({"some-volume", "/srv/volume", false});
    bench.refused("a sandbox with a volume", bench.provider().create(request), {ErrorClass::unsupported});
    bench.refused("making a volume", bench.provider().ensure_volume(request.token, bench.labels()), {ErrorClass::unsupported});
    bench.refused("listing volumes", bench.provider().list_volumes({}), {ErrorClass::unsupported});
    bench.refused("removing a volume", bench.provider().remove_volume("some-volume"), {ErrorClass::unsupported});
}

} // namespace

Group volumes_cases() {
    return {"volumes",
            {
                {"idempotent", "the same token returns the same volume; removing twice succeeds", idempotent, {volumes}},
                {"persists", "what was written is there in the next sandbox", persists, {volumes}},
                {"shared", "two sandboxes share a volume, and a third sees nothing of it", shared, {volumes}},
                {"read_only", "a volume that is read-only is so for root, too", read_only, {volumes}},
                {"not_captured", "a capture has nothing of a volume", not_captured, {volumes, capture}},
                {"in_use", "a volume that sandboxes use is not removed", in_use, {volumes}},
                {"refused_requests", "a mount that cannot be is refused, and leaves nothing", refused_requests, {volumes}},
                {"labels_filter", "labels of volumes are compared exactly", labels_filter, {volumes}},
                {"refused_without_them", "a provider without volumes refuses them, by class", without_them, {no_volumes}},
            }};
}

} // namespace sandboxkit::conformance
