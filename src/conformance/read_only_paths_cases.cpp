// SPDX-License-Identifier: Apache-2.0
// CreateRequest::read_only_paths against root in the sandbox.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <fstream>

namespace sandboxkit::conformance {
namespace {

std::string locked_image(Bench& bench) {
    const auto tree = bench.directory("tree");
    std::filesystem::create_directory(tree / "locked");
    std::ofstream(tree / "locked/file") << "locked";
    std::ofstream(tree / "beside") << "open";
    auto request = bench.image_request();
    request.trees = {{tree, "/srv/place"}};
    return bench.get("preparing an image", bench.provider().prepare_image(std::move(request))).id;
}

void attempts(Bench& bench, Sandbox& sandbox) {
    for (const char* attempt : {"echo x > /srv/place/locked/new",
                                "echo x >> /srv/place/locked/file",
                                "rm -f /srv/place/locked/file",
                                "rm -rf /srv/place/locked",
                                "mv /srv/place/locked /srv/place/open",
                                "mv /srv/place /srv/place2",
                                "chmod 777 /srv/place/locked",
                                "chown 1:1 /srv/place/locked/file",
                                "touch /srv/place/locked/file",
                                "truncate -s 0 /srv/place/locked/file",
                                "mount -o remount,rw /srv/place/locked",
                                "mount -o remount,bind,rw /srv/place/locked",
                                "umount /srv/place/locked",
                                "umount -l /srv/place/locked",
                                "mount --bind /tmp /srv/place/locked",
                                "mount -t tmpfs none /srv/place/locked",
                                "ln /srv/place/locked/file /srv/place/hard && echo x >> /srv/place/hard",
                                "echo x > /proc/self/root/srv/place/locked/new",
                                "cd /srv/place/locked && echo x > new",
                                "unshare -m mount -o remount,rw /srv/place/locked"})
        bench.check(!sandbox.works(attempt), std::string("it fails: ") + attempt);
    bench.equal("what is locked", sandbox.text("cd /srv/place/locked && ls -a | tr '\\n' ' ' && cat file"), ". .. file locked");
    bench.check(sandbox.works("echo fine > /srv/place/beside"), "what is beside it can be written");
}

void hold(Bench& bench) {
    auto request = bench.request();
    request.image_id = locked_image(bench);
    request.read_only_paths = {"/srv/place/locked"};
    auto sandbox = bench.start(request);
    attempts(bench, sandbox);
    bench.check(bench.wait(sandbox.client().write_file("/srv/place/locked/new", "x")).has_error(),
                "nor is it written through the API");
    if (!bench.can().stop_and_resume) return;
    sandbox.stop();
    sandbox.start();
    attempts(bench, sandbox);
}

void a_file(Bench& bench) {
    auto request = bench.request();
    request.image_id = locked_image(bench);
    request.read_only_paths = {"/srv/place/locked/file"};
    auto sandbox = bench.start(request);
    for (const char* attempt :
         {"echo x >> /srv/place/locked/file", "rm -f /srv/place/locked/file && test ! -e /srv/place/locked/file",
          "mv /srv/place/locked/file /srv/place/",
          "echo x > /root/other && mv /root/other /srv/place/locked/file && grep -q x /srv/place/locked/file"})
        bench.check(!sandbox.works(attempt), std::string("it fails: ") + attempt);
    bench.equal("the file", sandbox.text("cat /srv/place/locked/file"), "locked");
}

void a_missing_path(Bench& bench) {
    auto request = bench.request();
    request.read_only_paths = {"/no/such/path"};
    auto created = bench.wait(bench.provider().create(request));
    if (!created) return;
    bench.check(bench.wait(bench.provider().start(created->id)).has_error(),
                "a path that is not there cannot be kept read-only, and is refused");
}

} // namespace

Group read_only_paths_cases() {
    return {"read_only_paths",
            {
                {"hold", "a directory stays as it is, whatever root in the sandbox tries", hold, {read_only_paths}},
                {"a_file", "so does a file", a_file, {read_only_paths}},
                {"a_missing_path", "a path that is not there is refused", a_missing_path, {read_only_paths}},
            }};
}

} // namespace sandboxkit::conformance
