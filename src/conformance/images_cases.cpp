// SPDX-License-Identifier: Apache-2.0
// Images from a base and trees.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>
#include <fstream>

namespace sandboxkit::conformance {
namespace {

namespace fs = std::filesystem;

ImageInfo prepare(Bench& bench, std::vector<ImageTree> trees) {
    auto request = bench.image_request();
    request.trees = std::move(trees);
    return bench.get("preparing an image", bench.provider().prepare_image(std::move(request)));
}

Sandbox start_of(Bench& bench, const std::string& image) {
    auto request = bench.request();
    request.image_id = image;
    return bench.start(request);
}

bool lists(Bench& bench, const std::string& id) {
    return std::ranges::count(bench.get("listing images", bench.provider().list_images()), id, &ImageInfo::id) == 1;
}

void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

void a_life(Bench& bench) {
    const auto made = prepare(bench, {});
    bench.check(!made.id.empty() && made.labels == bench.labels(), "an image has an id and its labels");
    bench.check(!made.ingredients.empty(), "it says what it was made of");
    const auto told = bench.get("inspecting", bench.provider().inspect_image(made.id));
    bench.check(told.id == made.id && told.labels == made.labels, "inspecting tells the same");
    bench.check(lists(bench, made.id), "it is listed, once");
    bench.get("removing", bench.provider().remove_image(made.id));
    bench.check(!lists(bench, made.id), "it is not listed any more");
    bench.refused("inspecting an image that was removed", bench.provider().inspect_image(made.id), {ErrorClass::not_found});
    bench.get("removing it again", bench.provider().remove_image(made.id));
}

void tree_at_a_new_path(Bench& bench) {
    const auto tree = bench.directory("tree");
    fs::create_directories(tree / "sub/empty");
    write(tree / "sub/file", "content");
    write(tree / "script", "#!/bin/sh\necho ran\n");
    fs::permissions(tree / "script", fs::perms(0755));
    write(tree / "private", "x");
    fs::permissions(tree / "private", fs::perms(0600));
    fs::create_symlink("sub/file", tree / "link");
    const auto image = prepare(bench, {{tree, "/srv/new/place"}});
    auto sandbox = start_of(bench, image.id);
    bench.equal("a file", sandbox.text("cat /srv/new/place/link"), "content");
    bench.equal("a program", sandbox.text("/srv/new/place/script"), "ran\n");
    bench.equal("owners and modes", sandbox.text("cd /srv/new/place && stat -c '%a %u %g' private script && test -d sub/empty"),
                "600 0 0\n755 0 0\n");
    bench.equal("the directories on the way", sandbox.text("stat -c '%a %u' /srv /srv/new"), "755 0\n755 0\n");
}

void tree_at_an_existing_path(Bench& bench) {
    const auto tree = bench.directory("tree");
    write(tree / "conformance-file", "content");
    auto plain = bench.start();
    const auto before = plain.text("ls -a /etc | grep -v -e conformance -e '^[.]' | sort");
    const auto image = prepare(bench, {{tree, "/etc"}});
    auto sandbox = start_of(bench, image.id);
    bench.equal("the new file", sandbox.text("cat /etc/conformance-file"), "content");
    bench.equal("what was there before", sandbox.text("ls -a /etc | grep -v -e conformance -e '^[.]' | sort"), before);
}

void several_trees(Bench& bench) {
    const auto first = bench.directory("first"), second = bench.directory("second");
    write(first / "a", "1");
    write(second / "b", "2");
    const auto image = prepare(bench, {{first, "/srv/one"}, {second, "/srv/two"}});
    auto sandbox = start_of(bench, image.id);
    bench.equal("both trees", sandbox.text("cat /srv/one/a /srv/two/b"), "12");
}

void an_image_of_an_image(Bench& bench) {
    const auto first = bench.directory("first"), second = bench.directory("second");
    write(first / "a", "1");
    write(second / "b", "2");
    const auto base = prepare(bench, {{first, "/srv/one"}});
    auto request = bench.image_request();
    request.image = base.id;
    request.trees = {{second, "/srv/two"}};
    const auto image = bench.get("preparing an image of an image", bench.provider().prepare_image(std::move(request)));
    auto sandbox = start_of(bench, image.id);
    bench.equal("what is of both", sandbox.text("cat /srv/one/a /srv/two/b"), "12");
}

void a_base_that_is_removed(Bench& bench) {
    const auto tree = bench.directory("tree");
    write(tree / "a", "1");
    const auto base = prepare(bench, {{tree, "/srv/one"}});
    auto request = bench.image_request();
    request.image = base.id;
    const auto image = bench.get("preparing an image of an image", bench.provider().prepare_image(std::move(request)));
    bench.get("removing an image that no sandbox uses, but another image was made of", bench.provider().remove_image(base.id));
    bench.check(!lists(bench, base.id), "it is not listed any more");
    bench.check(lists(bench, image.id), "the other is");
    auto sandbox = start_of(bench, image.id);
    bench.equal("what is of the base", sandbox.text("cat /srv/one/a"), "1");
}

void digest_mismatch(Bench& bench) {
    auto request = bench.image_request();
    request.digest = "sha256:" + std::string(64, '0');
    auto made = bench.wait(bench.provider().prepare_image(std::move(request)));
    bench.require(made.has_error(), "a base with another digest is refused", "success");
    bench.check(made.error().kind == ErrorClass::invalid && made.error().code == "image_digest_mismatch",
                "it is refused as invalid image_digest_mismatch", shown(made.error()));
    for (const auto& each : bench.get("listing images", bench.provider().list_images()))
        bench.check(each.labels != bench.labels(), "nothing is left of what was refused");
}

void unknown_images(Bench& bench) {
    for (const char* image :
         {"", "archive:/no/such/archive.tar", "directory:/no/such/directory", "nothing of any kind", "archive:relative"}) {
        auto request = bench.image_request();
        request.image = image;
        bench.refused("preparing " + shown(image), bench.provider().prepare_image(std::move(request)),
                      {ErrorClass::invalid, ErrorClass::not_found, ErrorClass::unsupported});
    }
    bench.refused("inspecting an unknown image", bench.provider().inspect_image("no-such-image"), {ErrorClass::not_found});
    bench.get("removing an unknown image", bench.provider().remove_image("no-such-image"));
}

void in_use(Bench& bench) {
    const auto image = prepare(bench, {});
    auto request = bench.request();
    request.image_id = image.id;
    auto sandbox = bench.create(request);
    bench.refused("removing an image that a created sandbox uses", bench.provider().remove_image(image.id),
                  {ErrorClass::conflict});
    sandbox.start();
    bench.refused("removing an image that a running sandbox uses", bench.provider().remove_image(image.id),
                  {ErrorClass::conflict});
    bench.check(lists(bench, image.id) && sandbox.works("true"), "nothing happened to either");
    sandbox.destroy();
    bench.get("removing it when nobody uses it", bench.provider().remove_image(image.id));
}

void two_sandboxes(Bench& bench) {
    auto first = bench.start();
    auto second = bench.start();
    (void)first.text("echo mine > /root/mine; echo changed > /etc/passwd; rm -rf /srv");
    bench.check(!second.works("test -e /root/mine"), "what one writes the other does not see");
    bench.check(second.works("! grep -q changed /etc/passwd"), "what one changes stays as it was in the other");
    auto third = bench.start();
    bench.check(third.works("! test -e /root/mine && ! grep -q changed /etc/passwd"), "nor does it change the image");
}

} // namespace

Group images_cases() {
    return {
        "images",
        {
            {"a_life", "prepared, inspected, listed, removed, removed again", a_life},
            {"tree_at_a_new_path", "a tree is put there with modes and links, root's, and the directories above it",
             tree_at_a_new_path},
            {"tree_at_an_existing_path", "a tree is added to a directory, and what was in there stays", tree_at_an_existing_path},
            {"several_trees", "several trees are put into one image", several_trees},
            {"an_image_of_an_image", "the id of an image is a base", an_image_of_an_image},
            {"a_base_that_is_removed", "an image that another was made of can be removed, and the other stays whole",
             a_base_that_is_removed},
            {"digest_mismatch", "a base that has not the digest asked for is refused", digest_mismatch},
            {"unknown_images", "an image that is not there is refused", unknown_images},
            {"in_use", "an image that sandboxes use is not removed", in_use},
            {"two_sandboxes", "two sandboxes of one image do not see each other's changes", two_sandboxes},
        }};
}

} // namespace sandboxkit::conformance
