// SPDX-License-Identifier: Apache-2.0
// Layers under a real overlayfs: what a sandbox sees is what a sandbox of its captured image sees.
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"
#include "providers/local/layer_view.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

namespace {

struct Fixture {
    TemporaryDirectory here;
    fs::path store_path = here.path() / "s";
    std::unique_ptr<ImageStore> store;
    std::string image;
    int sandboxes = 0;

    Fixture() {
        ::umask(022);
        auto opened = ImageStore::open(store_path);
        REQUIRE(opened);
        store = std::move(*opened);
        const auto source = here.path() / "source";
        fs::create_directories(source / "dir/sub");
        fs::create_directories(source / "replaced");
        write_file(source / "kept", "kept");
        write_file(source / "removed", "removed");
        write_file(source / "dir/file", "old");
        write_file(source / "dir/sub/deep", "deep");
        write_file(source / "replaced/hidden", "hidden");
        auto base = store->prepare({"directory:" + source.string(), {}, {}}, {});
        REQUIRE(base);
        image = base->id;
    }

    // What a sandbox of the image shows, after `work` in it; in a child. Its writable layer stays in `sandbox`.
    using View = std::map<std::string, std::string>;
    WritableLayer sandbox() { return {here.path() / ("sandbox" + std::to_string(sandboxes++))}; }
    void run(const WritableLayer& layer, const std::function<void(const fs::path&)>& work) {
        REQUIRE(store->make_writable(image, layer));
        const auto lowers = store->root_plan(image)->root;
        const auto view = here.path() / "view";
        const auto code = in_mount_namespace([&] {
            fs::create_directories(here.path() / "merged");
            if (!mount_overlay(lowers, layer.root_upper(), layer.root_work(), here.path() / "merged")) return 1;
            work(here.path() / "merged");
            std::string text;
            for (const auto& [path, line] : snapshot_of(here.path() / "merged")) text += path + " " + line + "\n";
            write_file(view, text);
            return 0;
        });
        REQUIRE(code == 0);
    }
    std::string seen() { return read_file(here.path() / "view"); }
    Result<ImageInfo> capture(const WritableLayer& layer) {
        auto sealed = store->seal(image, layer);
        REQUIRE_MESSAGE(sealed, sealed.error().message);
        return store->finish(*sealed, {{"kind", "capture"}}, {});
    }
};

void change(const fs::path& root) {
    fs::remove(root / "removed");
    write_file(root / "dir/file", "new");
    write_file(root / "dir/added", "added");
    fs::remove_all(root / "replaced");
    fs::create_directory(root / "replaced"); // opaque
    write_file(root / "replaced/fresh", "fresh");
    if (::chmod((root / "dir/sub").c_str(), 0700) != 0 || ::chown((root / "kept").c_str(), 5, 6) != 0)
        throw std::runtime_error("cannot change");
}

} // namespace

TEST_CASE("whiteouts, opaque directories and attributes survive a capture, and another on top") {
    Fixture f;
    const auto first = f.sandbox();
    f.run(first, change);
    const auto shown_first = f.seen();
    CHECK(shown_first.find("hidden") == std::string::npos);
    auto captured = f.capture(first);
    REQUIRE_MESSAGE(captured, captured.error().message);
    CHECK(captured->labels.at("kind") == "capture");
    CHECK_FALSE(fs::exists(first.root_upper()));
    CHECK(incoming_of(f.store_path).empty());

    f.image = captured->id;
    const auto second = f.sandbox();
    f.run(second, [](const fs::path&) {});
    CHECK(f.seen() == shown_first);
    const auto third = f.sandbox();
    f.run(third, [](const fs::path& root) {
        write_file(root / "removed", "back");
        fs::remove_all(root / "dir");
    });
    const auto shown_third = f.seen();
    auto again = f.capture(third);
    REQUIRE(again);
    CHECK(again->ingredients.size() == 4); // base and three layers
    f.image = again->id;
    f.run(f.sandbox(), [](const fs::path&) {});
    CHECK(f.seen() == shown_third);

    // Nothing was changed in the second one: no layer.
    f.image = captured->id;
    auto same = f.capture(second);
    REQUIRE(same);
    CHECK(same->ingredients == captured->ingredients);
}

TEST_CASE("an upper that was used with index=on is digested and stacked like any other") {
    Fixture f;
    const auto layer = f.sandbox();
    REQUIRE(f.store->make_writable(f.image, layer));
    const auto lower = f.store->root_plan(f.image)->root.at(0);
    REQUIRE(in_mount_namespace([&] {
                const auto merged = f.here.path() / "merged";
                fs::create_directories(merged);
                const auto options = "index=on,redirect_dir=off,metacopy=off,lowerdir=" + lower.string() +
                                     ",upperdir=" + layer.root_upper().string() + ",workdir=" + layer.root_work().string();
                if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) return 1;
                change(merged);
                return 0;
            }) == 0);
    CHECK_FALSE(get_attribute(layer.root_upper() / "dir/file", "trusted.overlay.origin").empty());
    auto image = f.capture(layer);
    REQUIRE_MESSAGE(image, image.error().message);
    const auto plain = f.sandbox();
    f.run(plain, change);
    const auto shown = f.seen();
    auto other = f.capture(plain);
    REQUIRE(other);
    CHECK(other->ingredients == image->ingredients); // the same content, the same layer
    f.image = image->id;
    f.run(f.sandbox(), [](const fs::path&) {});
    CHECK(f.seen() == shown);
}

TEST_CASE("a stack of more than 64 layers is flattened and shows the same") {
    Fixture f;
    f.run(f.sandbox(), [](const fs::path&) {});
    for (int i = 0; i < 70; ++i) {
        const auto layer = f.sandbox();
        REQUIRE(f.store->make_writable(f.image, layer));
        // As the kernel writes an upper: the mount is only needed for whiteouts, which are every tenth layer's.
        if (i % 10 == 5) {
            fs::remove_all(layer.directory);
            f.run(layer, [i](const fs::path& root) {
                fs::remove_all(root / "dir");
                fs::create_directories(root / "dir/again");
                write_file(root / "dir/again/number", std::to_string(i));
                fs::remove(root / "removed");
                fs::create_hard_link(root / "kept", root / ("link" + std::to_string(i)));
            });
        } else {
            write_file(layer.root_upper() / ("file" + std::to_string(i)), std::to_string(i));
            write_file(layer.root_upper() / "removed", std::to_string(i));
        }
        auto image = f.capture(layer);
        REQUIRE_MESSAGE(image, image.error().message);
        const auto before = f.image;
        f.image = image->id;
        if (f.store->root_plan(f.image)->root.size() == 1) {
            // Just flattened: the same as the stack that it was made from would show.
            f.run(f.sandbox(), [](const fs::path&) {});
            const auto flat = f.seen();
            CHECK(flat.find("link5 ") != std::string::npos);
            CHECK(flat.find("file0 ") != std::string::npos);
            CHECK(flat.find("deep") == std::string::npos);
            CHECK(flat.find("dir/again/number") != std::string::npos);
            f.image = before;
            f.run(f.sandbox(), [i](const fs::path& root) {
                write_file(root / ("file" + std::to_string(i)), std::to_string(i));
                write_file(root / "removed", std::to_string(i));
            });
            CHECK(f.seen() == flat);
            f.image = image->id;
        }
        CHECK(f.store->root_plan(f.image)->root.size() <= 64);
    }
    CHECK(f.store->root_plan(f.image)->root.size() < 10);
}

TEST_CASE("the host's /usr stays hidden by whiteouts and opaque directories after flattening") {
    TemporaryDirectory here;
    auto store = ImageStore::open(here.path() / "s");
    REQUIRE(store);
    auto base = (*store)->prepare({"host", {}, {}}, {});
    if (!base && base.error().code == "host_not_merged_usr") return;
    REQUIRE(base);
    auto image = base->id;
    const auto with_usr = [&](const WritableLayer& layer, const std::function<int(const fs::path&)>& work) {
        REQUIRE((*store)->make_writable(image, layer));
        const auto plan = (*store)->root_plan(image);
        return in_mount_namespace([&] {
            fs::create_directories(here.path() / "usr");
            if (!mount_overlay(plan->usr, layer.usr_upper(), layer.usr_work(), here.path() / "usr")) return 1;
            return work(here.path() / "usr");
        });
    };
    const auto capture = [&](const WritableLayer& layer) {
        auto sealed = (*store)->seal(image, layer);
        REQUIRE(sealed);
        auto captured = (*store)->finish(*sealed, {}, {});
        REQUIRE_MESSAGE(captured, captured.error().message);
        image = captured->id;
    };
    const WritableLayer first{here.path() / "first"};
    REQUIRE(with_usr(first, [](const fs::path& usr) {
                fs::remove(usr / "bin/env");
                fs::remove_all(usr / "games");
                fs::create_directory(usr / "games");
                write_file(usr / "games/ours", "x");
                return 0;
            }) == 0);
    capture(first);
    CHECK((*store)->root_plan(image)->usr.size() == 2);
    for (int i = 0; i < 66; ++i) {
        const WritableLayer layer{here.path() / ("more" + std::to_string(i))};
        REQUIRE((*store)->make_writable(image, layer));
        write_file(layer.root_upper() / ("file" + std::to_string(i)), "x");
        capture(layer);
    }
    CHECK((*store)->root_plan(image)->root.size() < 10);
    CHECK((*store)->root_plan(image)->usr.size() == 2);
    CHECK(with_usr({here.path() / "last"}, [](const fs::path& usr) {
              if (fs::exists(usr / "bin/env") || !fs::exists(usr / "bin/ls")) return 2;
              return count_in(usr / "games") == 1 ? 0 : 3;
          }) == 0);
}

TEST_CASE("sealing and finishing what is not there") {
    Fixture f;
    const WritableLayer nowhere{f.here.path() / "nowhere"};
    CHECK(f.store->seal(f.image, nowhere).error().kind == ErrorClass::not_found);
    CHECK(f.store->finish({"nothing", f.image}, {}, {}).error().code == "sealed_layer_not_found");
    const auto layer = f.sandbox();
    REQUIRE(f.store->make_writable(f.image, layer));
    write_file(layer.root_upper() / "x", "x");
    CHECK(f.store->seal("img_aaaaaaaaaaaaaaaaaaaa", layer).error().code == "image_not_found");
    CHECK(fs::exists(layer.root_upper() / "x"));

    auto sealed = f.store->seal(f.image, layer);
    REQUIRE(sealed);
    CHECK(incoming_of(f.store_path).size() == 2);
    SUBCASE("cancelled: the layer is gone") {
        std::stop_source stop;
        stop.request_stop();
        CHECK(f.store->finish(*sealed, {}, stop.get_token()).error().kind == ErrorClass::cancelled);
    }
    SUBCASE("the base is gone") {
        REQUIRE(f.store->remove(f.image));
        CHECK(f.store->finish(*sealed, {}, {}).error().code == "image_not_found");
    }
    SUBCASE("the store is closed") {
        f.store.reset();
    }
    CHECK(incoming_of(f.store_path).empty());
}

TEST_CASE("a view of layers agrees with overlayfs") {
    Fixture f;
    const auto layer = f.sandbox();
    f.run(layer, change);
    auto image = f.capture(layer);
    REQUIRE(image);
    auto view = LayerView::open(f.store->root_plan(image->id)->root);
    REQUIRE(view);
    const auto found = [&](const char* path) {
        auto object = view->find(split_path(path));
        REQUIRE(object);
        return object->has_value();
    };
    CHECK(found("/"));
    CHECK(found("/kept"));
    CHECK(found("/dir/sub/deep"));
    CHECK(found("/dir/added"));
    CHECK(found("/replaced/fresh"));
    CHECK_FALSE(found("/removed"));
    CHECK_FALSE(found("/replaced/hidden"));
    CHECK_FALSE(found("/kept/below"));
    CHECK_FALSE(found("/nothing"));
}
