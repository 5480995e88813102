// SPDX-License-Identifier: Apache-2.0
// A sandbox becomes an image, and nothing is lost or added on the way.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>

namespace sandboxkit::conformance {
namespace {

Sandbox start_of(Bench& bench, const std::string& image) {
    auto request = bench.request();
    request.image_id = image;
    return bench.start(request);
}

// What `make` makes says the same of itself in a sandbox of the capture, and in one of the capture of that.
void kept(Bench& bench, const std::string& make, const std::string& describe) {
    auto sandbox = bench.start();
    (void)sandbox.text(make);
    const auto before = sandbox.text(describe);
    bench.require(!before.empty(), "there is something to compare");
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.equal("what comes back of " + shown(make), second.text(describe), before);
    auto third = start_of(bench, second.capture().image.id);
    bench.equal("what comes back the second time", third.text(describe), before);
}

void a_life(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("echo kept > /root/kept; sleep 1000 > /dev/null 2>&1 &");
    auto labels = bench.labels();
    labels["colour"] = "red";
    const auto captured = bench.get("capturing", bench.provider().capture(sandbox.id(), labels));
    bench.check(captured.image.labels == labels, "the image has the labels that were given");
    bench.check(!captured.image.ingredients.empty(), "it says what it was made of");
    const auto told = bench.get("inspecting the image", bench.provider().inspect_image(captured.image.id));
    bench.check(told.id == captured.image.id && told.labels == labels, "inspecting it tells the same");
    const auto all = bench.get("listing images", bench.provider().list_images());
    bench.check(std::ranges::count(all, captured.image.id, &ImageInfo::id) == 1, "it is listed, once");
    auto second = start_of(bench, captured.image.id);
    bench.equal("a file", second.text("cat /root/kept"), "kept\n");
    bench.check(!second.works("ps | grep -v grep | grep -q 'sleep 1000'"), "processes are not captured");
    bench.equal("the host name", second.text("hostname"), "conformance\n");
    bench.refused("removing the image while it is used", bench.provider().remove_image(captured.image.id),
                  {ErrorClass::conflict});
    sandbox.destroy();
    bench.equal("the file, after the captured sandbox is gone", second.text("cat /root/kept"), "kept\n");
}

void the_captured_sandbox(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.capture();
    bench.check(sandbox.state() != SandboxState::running, "a captured sandbox does not run");
    bench.check(bench.wait(bench.provider().start(sandbox.id())).has_error(), "a captured sandbox cannot be started");
    bench.check(bench.wait(bench.provider().capture(sandbox.id(), bench.labels())).has_error(), "it cannot be captured again");
    sandbox.destroy();
}

void of_a_stopped_one(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("echo kept > /root/kept");
    sandbox.stop();
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.equal("a file", second.text("cat /root/kept"), "kept\n");
}

void modes(Bench& bench) {
    kept(bench,
         "mkdir /root/t && cd /root/t && for m in 0000 0400 0644 0751 4755 2755 6711 1644; do touch f$m; chmod $m f$m; done; "
         "for m in 0700 1777 2775 0000; do mkdir d$m; chmod $m d$m; done",
         "cd /root/t && stat -c '%n %a %F' * | sort");
}
void owners(Bench& bench) {
    kept(bench,
         "mkdir /root/t && cd /root/t && for o in 0:0 1:2 1000:1000 65534:65534 60000:5; do touch f$o; chown $o f$o; mkdir d$o; "
         "chown $o d$o; done; "
         "ln -s x l; chown -h 7:8 l",
         "cd /root/t && stat -c '%n %u %g' * | sort");
}
void times(Bench& bench) {
    kept(bench,
         "mkdir /root/t && cd /root/t && touch -t 200102030405.06 old && touch -t 203301010000 future && mkdir d && touch d/x && "
         "touch -t 199912312359.59 d && echo x > now",
         "cd /root/t && stat -c '%n %Y' * | sort");
}
void links(Bench& bench) {
    kept(
        bench,
        "mkdir -p /root/t/d && cd /root/t && echo x > a && ln a b && ln a d/c && ln -s a relative && ln -s /root/t/a absolute && "
        "ln -s /no/such/thing dangling && ln -s loop loop && mkfifo pipe",
        "cd /root/t && stat -c '%n %F %h %N' * d/* | sort; test a -ef b && test a -ef d/c && echo same");
}
void attributes(Bench& bench) {
    auto sandbox = bench.start();
    sandbox.bring_probe();
    if (sandbox.probe("setxattr /root user.conformance x") != "ok") Bench::skip("the file system has no attributes of users");
    const std::string probe = Sandbox::probe_path;
    (void)sandbox.text("mkdir /root/d; touch /root/f; " + probe + " setxattr /root/f user.one value && " + probe +
                       " setxattr /root/d user.two other");
    auto second = start_of(bench, sandbox.capture().image.id);
    second.bring_probe();
    bench.equal("an attribute of a file", second.probe("getxattr /root/f user.one"), "value");
    bench.equal("an attribute of a directory", second.probe("getxattr /root/d user.two"), "other");
}
void sparse(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("cd /root && truncate -s 4G holes && echo end >> holes && printf x | dd of=holes bs=1 seek=1000000000 "
                       "conv=notrunc 2> /dev/null");
    const auto describe =
        "stat -c %s /root/holes; tail -c 4 /root/holes; dd if=/root/holes bs=1 skip=1000000000 count=1 2> /dev/null; "
        "test $(stat -c %b /root/holes) -lt 20000 && echo sparse";
    const auto before = sandbox.text("stat -c %b /root/holes");
    bench.require(sandbox.works("test $(stat -c %b /root/holes) -lt 20000"), "the file is sparse to begin with", before);
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.equal("a file of 4 GB with holes", second.run(describe).standard_output, "4294967300\nend\nxsparse\n");
}
void odd_names(Bench& bench) {
    kept(bench,
         "mkdir /root/t && cd /root/t && touch -- ' ' 'a b' '*' '\"' \"'\" '\\' '-x' '...' '~' '%s' 'ü' \"$(printf "
         "'new\\nline')\" \"$(printf 'byte\\377')\" "
         "\"$(printf 'ctrl\\001')\" .wh-not .hidden \"$(printf '%0250d' 0)\" && mkdir -- '-d' '.d' && touch -- '-d/x'",
         "cd /root/t && find . | sort | od -c");
}
void names_like_whiteouts(Bench& bench) {
    auto sandbox = bench.start();
    if (!sandbox.works("mkdir /root/t && echo a > /root/t/file && echo b > /root/t/.wh.file && echo c > /root/t/.wh..wh..opq"))
        return; // refusing them at once is as good
    auto captured = bench.wait(bench.provider().capture(sandbox.id(), bench.labels()));
    if (!captured) {
        bench.check(captured.error().kind == ErrorClass::unsupported || captured.error().kind == ErrorClass::invalid,
                    "names that mean deletion elsewhere are kept or refused", shown(captured.error()));
        return;
    }
    auto second = start_of(bench, captured->image.id);
    bench.equal("files with names that mean deletion elsewhere",
                second.run("cat /root/t/file /root/t/.wh.file /root/t/.wh..wh..opq").standard_output, "a\nb\nc\n");
}
void deletions(Bench& bench) {
    kept(bench, "rm -rf /etc/passwd /root && mkdir /root && rm -f /bin/od && echo done > /root/x",
         "test ! -e /etc/passwd && test ! -e /bin/od && ls -a /root | tr '\\n' ' '");
}
void replaced(Bench& bench) {
    // Of the base: a file becomes a directory, a directory a file, a directory a link, and one is emptied and made again.
    auto base = bench.start();
    (void)base.text("mkdir -p /srv/t/d1/sub /srv/t/d2 /srv/t/opaque && cd /srv/t && echo x > f && echo x > d1/sub/x && echo x > "
                    "d2/x && echo x > opaque/old");
    auto sandbox = start_of(bench, base.capture().image.id);
    (void)sandbox.text("cd /srv/t && rm -rf f d1 d2 opaque && mkdir f && echo y > f/inside && echo y > d1 && ln -s f d2 && mkdir "
                       "opaque && echo y > opaque/new");
    const auto describe = "cd /srv/t && find . | sort && stat -c '%n %F' f d1 d2 opaque && cat f/inside d1 d2/inside opaque/new";
    const auto before = sandbox.text(describe);
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.equal("what was replaced", second.text(describe), before);
}
void renamed(Bench& bench) {
    auto base = bench.start();
    (void)base.text("mkdir -p /srv/t/a/b && echo x > /srv/t/a/b/file");
    auto sandbox = start_of(bench, base.capture().image.id);
    (void)sandbox.text("mv /srv/t/a /srv/t/z && mv /srv/t/z/b/file /srv/t/moved");
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.equal("what was renamed", second.text("cd /srv/t && find . | sort && cat moved"), ".\n./moved\n./z\n./z/b\nx\n");
}
void deep(Bench& bench) {
    kept(bench, "cd /root; for i in $(seq 1 200); do mkdir d$i && cd d$i; done; echo bottom > file",
         "find /root -name file | wc -c; find /root -type d | wc -l; find /root -name file -exec cat {} ';'");
}
void large(Bench& bench) {
    kept(bench, "dd if=/dev/urandom of=/root/large bs=1M count=64 2> /dev/null", "sha256sum /root/large");
}
void many(Bench& bench) {
    kept(bench, "mkdir /root/many && cd /root/many && for i in $(seq 1 3000); do echo $i > f$i; done",
         "cd /root/many && ls | wc -l && cat * | sha256sum");
}
void temporary_files(Bench& bench) {
    kept(bench, "echo kept > /tmp/kept; mkdir -p /var/tmp; echo kept > /var/tmp/kept", "cat /tmp/kept /var/tmp/kept");
}
void what_is_mounted(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.run("echo x > /dev/shm/mine; echo x > /dev/mine");
    auto second = start_of(bench, sandbox.capture().image.id);
    bench.check(!second.works("test -e /dev/shm/mine || test -e /dev/mine"), "what is in /dev is not captured");
    bench.check(second.works("test -r /proc/self/status && test -c /dev/null"), "/proc and /dev are those of the new sandbox");
}
void two_of_one(Bench& bench) {
    auto base = bench.start();
    (void)base.text("echo base > /root/base");
    const auto image = base.capture().image.id;
    auto first = start_of(bench, image);
    auto second = start_of(bench, image);
    (void)first.text("echo first > /root/own");
    (void)second.text("echo second > /root/own");
    const auto of_first = first.capture().image.id, of_second = second.capture().image.id;
    bench.check(of_first != of_second, "they are two images");
    bench.equal("what is of the first", start_of(bench, of_first).text("cat /root/base /root/own"), "base\nfirst\n");
    bench.equal("what is of the second", start_of(bench, of_second).text("cat /root/base /root/own"), "base\nsecond\n");
}
void unknown(Bench& bench) {
    bench.refused("capturing an unknown sandbox", bench.provider().capture("no-such-sandbox", bench.labels()),
                  {ErrorClass::not_found});
}

} // namespace

Group capture_cases() {
    std::vector<Case> cases{
        {"a_life", "an image of a sandbox is listed, and sandboxes of it start with its files", a_life},
        {"the_captured_sandbox", "a captured sandbox is only good for being destroyed", the_captured_sandbox},
        {"of_a_stopped_one", "a stopped sandbox can be captured", of_a_stopped_one, {stop_and_resume}},
        {"modes", "permission bits, set-id and sticky ones too", modes},
        {"owners", "owners and groups, of links too", owners},
        {"times", "times of modification, to the second at least", times},
        {"links", "hard links, symbolic links, pipes", links},
        {"attributes", "extended attributes of users", attributes, {capture_attributes}},
        {"sparse", "a sparse file stays sparse", sparse, {capture_holes}},
        {"odd_names", "names of any bytes", odd_names},
        {"names_like_whiteouts", "names that mean deletion in archives of layers are kept, or refused", names_like_whiteouts},
        {"deletions", "what was deleted of the base stays deleted", deletions},
        {"replaced", "a file that became a directory, and the other way round; a directory made anew is empty of what was in it",
         replaced},
        {"renamed", "directories and files of the base that were renamed", renamed},
        {"deep", "a tree of 200 levels", deep},
        {"large", "a file of 64 MB", large},
        {"many", "3000 files", many},
        {"temporary_files", "files in /tmp and /var/tmp", temporary_files},
        {"what_is_mounted", "what is mounted, /proc, /dev and /dev/shm, is not captured", what_is_mounted},
        {"two_of_one", "two sandboxes of one capture, captured in turn, are two images", two_of_one},
        {"unknown", "a sandbox that is not there is not found", unknown},
    };
    for (auto& each : cases) each.needs.push_back(capture);
    return {"capture", std::move(cases)};
}

} // namespace sandboxkit::conformance
