#include "image/local_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>
#include <thread>

#include "image/limits.h"
#include "image/record.h"
#include "image/sample_files.h"
#include "image/sample_oci.h"

namespace aloft::image {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A store without outside tools, mounts or owners: what every machine can do.
class Store : public testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen(Bytes reserve = Bytes(1)) {
    store_.reset();
    Options options;
    options.directory = scratch_ / "store";
    options.id_base = 0;
    options.free_reserve = reserve;
    options.allow_overlay = false;
    options.allow_reflink = false;
    auto opened = ImageStore::open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  Result<Info> add(const std::string& name, const std::string& source) {
    ImportRequest request;
    request.name = name;
    request.source = source;
    return store_->import(request, job_);
  }
  std::string reason(const std::string& source) {
    const auto info = add("wanted", source);
    EXPECT_FALSE(exists(scratch_ / "store/images/wanted")) << "for " << source;
    EXPECT_TRUE(staging().empty()) << "for " << source;
    if (info) return "taken";
    EXPECT_FALSE(info.error().message.empty());
    return info.error().reason;
  }
  std::vector<std::string> staging() const {
    return names_in(scratch_ / "store/staging").value_or(std::vector<std::string>{"?"});
  }
  std::string small_tar() const {
    return scratch_.write("small.tar", tar_entry({.name = "etc/hosts", .content = "here"}) +
                                           tar_entry({.name = "dev/null", .type = '3'}) +
                                           tar_end());
  }

  Scratch scratch_;
  Job job_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(Store, imports_a_raw_disk_and_knows_it_after_a_restart) {
  const std::string disk = raw_disk(4096, 4000);
  const auto info = add("disk", scratch_.write("disk.img", disk));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->technique, Technique::Vm);
  EXPECT_EQ(info->format, Format::Raw);
  EXPECT_EQ(info->size, mib(2));
  EXPECT_EQ(info->sha256, sha256_of(disk));
  EXPECT_LT(info->stored, mib(1)) << "holes are not kept";
  EXPECT_EQ(read_back(info->path), disk);
  reopen();
  const auto again = store_->image("disk");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->path, info->path);
  EXPECT_EQ(again->sha256, info->sha256);
  EXPECT_EQ(store_->images()->size(), 1U);
}

TEST_F(Store, imports_a_root_tree_and_says_what_it_left_out) {
  const auto info = add("tree", small_tar());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->technique, Technique::Container);
  EXPECT_EQ(info->format, Format::Directory);
  EXPECT_EQ(read_back(info->path + "/etc/hosts"), "here");
  ASSERT_EQ(info->notes.size(), 1U);
  EXPECT_THAT(info->notes[0], HasSubstr("device"));
}

TEST_F(Store, imports_a_directory_and_an_oci_layout) {
  scratch_.write("root/etc/hosts", "here");
  const auto tree = add("tree", scratch_ / "root");
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(read_back(tree->path + "/etc/hosts"), "here");

  SampleOci layout;
  layout.add_layer(tar_entry({.name = "srv/page", .content = "hello"}) + tar_end());
  layout.finish();
  ImportRequest request;
  request.name = "oci";
  request.source = "oci:" + layout.path() + ":latest";
  request.architecture = "x86_64";
  const auto oci = store_->import(request, job_);
  ASSERT_TRUE(oci) << oci.error().message;
  EXPECT_EQ(read_back(oci->path + "/srv/page"), "hello");
  EXPECT_EQ(oci->sha256, layout.manifest_digest());
  EXPECT_EQ(oci->entrypoint.size(), 3U);
}

TEST_F(Store, imports_a_kernel_without_a_disk) {
  ImportRequest request;
  request.name = "boot";
  request.kernel = scratch_.write("vmlinuz", "kernel");
  request.initrd = scratch_.write("initrd", "initrd");
  request.kernel_arguments = "console=ttyS0";
  const auto info = store_->import(request, job_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->format, Format::None);
  EXPECT_EQ(read_back(info->kernel), "kernel");
  EXPECT_EQ(read_back(info->initrd), "initrd");
  EXPECT_EQ(store_->clone({.image = "boot", .volume = "v"}, job_).error().reason, "image.no_disk");
}

TEST_F(Store, refuses_bad_sources_and_keeps_nothing) {
  EXPECT_EQ(reason(scratch_ / "nowhere"), "image.source_missing");
  EXPECT_EQ(reason("relative/path"), "image.source_relative");
  EXPECT_EQ(reason("/dev/null"), "image.source_missing");
  EXPECT_EQ(reason(""), "image.source_missing");
  EXPECT_EQ(reason(scratch_.write("empty", "")), "image.corrupt");
  EXPECT_EQ(reason(scratch_.write("text", "hello, I am no image")), "image.format_unknown");
  EXPECT_EQ(reason(scratch_.write("vmdk", "KDMV and more")), "image.format_unknown");
  EXPECT_EQ(
      reason(scratch_.write("cut.gz", std::string_view("\x1f\x8b\x08\0\0\0\0\0\0\x03\xed", 11))),
      "image.corrupt");
  EXPECT_EQ(reason(scratch_.write("backing.qcow2", qcow2_file({.backing_offset = 512}))),
            "image.backing_file_outside");
  EXPECT_EQ(reason(scratch_.write("cut.qcow2", qcow2_file({}).substr(0, 5000))), "image.corrupt");
  EXPECT_EQ(reason(scratch_.write("cut.img", raw_disk(4096, 4000).substr(0, 512 * 100))),
            "image.corrupt");
  EXPECT_EQ(reason(scratch_.write("up.tar", tar_entry({.name = "../x"}) + tar_end())),
            "image.entry_outside");
  EXPECT_EQ(reason("oci:" + scratch_.path()), "image.format_unknown");
  EXPECT_EQ(reason("oci:-evil"), "image.reference");
  EXPECT_EQ(reason("oci:a b"), "image.reference");
  EXPECT_EQ(reason("debian:$(reboot)"), "image.suite");
  EXPECT_EQ(reason("debian:--help"), "image.suite");
  EXPECT_EQ(reason(scratch_.path()), "image.source_missing") << "it holds the store";
}

TEST_F(Store, a_fifo_as_source_does_not_hold_it_up) {
  ASSERT_EQ(::mkfifo((scratch_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(reason(scratch_ / "fifo"), "image.source_missing");
}

TEST_F(Store, links_in_an_oci_archive_do_not_show_files_of_the_host) {
  const std::string tar =
      tar_entry({.name = "oci-layout", .content = "{}"}) +
      tar_entry({.name = "index.json", .type = '2', .link = "/proc/self/environ"}) + tar_end();
  EXPECT_EQ(reason(scratch_.write("evil.tar", tar)), "image.corrupt");
}

TEST_F(Store, refuses_names_that_are_no_labels) {
  for (const std::string name : {"", "Upper", "a/b", "..", "-a", "a-", "a b", "\xff"}) {
    const auto info = add(name, small_tar());
    ASSERT_FALSE(info) << name;
    EXPECT_EQ(info.error().reason, "name.invalid");
    EXPECT_EQ(store_->image(name).error().reason, "name.invalid");
  }
  EXPECT_FALSE(add(std::string(64, 'a'), small_tar()).has_value());
  EXPECT_TRUE(add(std::string(63, 'a'), small_tar()).has_value());
}

TEST_F(Store, refuses_a_second_image_of_a_name) {
  ASSERT_TRUE(add("tree", small_tar()).has_value());
  EXPECT_EQ(add("tree", small_tar()).error().reason, "image.exists");
}

TEST_F(Store, refuses_a_technique_the_source_is_not_for) {
  ImportRequest request;
  request.name = "wrong";
  request.source = small_tar();
  request.technique = Technique::Vm;
  EXPECT_EQ(store_->import(request, job_).error().reason, "image.technique");
  request.source = scratch_.write("disk.img", raw_disk(64, 60));
  request.technique = Technique::Container;
  EXPECT_EQ(store_->import(request, job_).error().reason, "image.technique");
  EXPECT_TRUE(staging().empty());
}

TEST_F(Store, clones_grow_but_do_not_shrink) {
  ASSERT_TRUE(add("disk", scratch_.write("disk.img", raw_disk(4096, 4000))).has_value());
  CloneRequest request{.image = "disk", .volume = "web", .size = mib(1), .independent = true};
  EXPECT_EQ(store_->clone(request, job_).error().reason, "volume.too_small");
  request.size = Bytes(~std::uint64_t{0} >> 1U);
  EXPECT_EQ(store_->clone(request, job_).error().reason, "volume.size");
  EXPECT_FALSE(exists(scratch_ / "store/volumes/web"));
  request.size = mib(8) + Bytes(1);
  const auto volume = store_->clone(request, job_);
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(volume->method, CloneMethod::Copy);
  EXPECT_EQ(fs::file_size(volume->path), mib(8).count() + 512);
  EXPECT_EQ(store_->clone(request, job_).error().reason, "volume.exists");
  EXPECT_EQ(store_->grow_volume("web", mib(1)).error().reason, "volume.too_small");
  ASSERT_TRUE(store_->grow_volume("web", mib(16)).has_value());
  EXPECT_EQ(store_->volume("web")->size, mib(16));
  EXPECT_EQ(fs::file_size(volume->path), mib(16).count());
}

TEST_F(Store, clones_trees_and_removes_volumes) {
  ASSERT_TRUE(add("tree", small_tar()).has_value());
  const auto volume = store_->clone({.image = "tree", .volume = "box"}, job_);
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(read_back(volume->path + "/etc/hosts"), "here");
  std::ofstream(volume->path + "/etc/hosts") << "changed";
  EXPECT_EQ(read_back(store_->image("tree")->path + "/etc/hosts"), "here");
  EXPECT_TRUE(store_->remove_image("tree").has_value()) << "a copy does not need its image";
  ASSERT_TRUE(store_->remove_volume("box").has_value());
  ASSERT_TRUE(store_->remove_volume("box").has_value()) << "nothing there is well too";
  EXPECT_EQ(store_->volume("box").error().reason, "volume.not_found");
  EXPECT_EQ(store_->ensure_ready("box").error().reason, "volume.not_found");
  EXPECT_EQ(store_->image("tree").error().reason, "image.not_found");
  EXPECT_EQ(store_->clone({.image = "tree", .volume = "v"}, job_).error().reason,
            "image.not_found");
}

TEST_F(Store, blank_volumes_have_the_size_asked_for) {
  EXPECT_EQ(store_->create_blank("data", Bytes()).error().reason, "volume.size");
  EXPECT_EQ(store_->create_blank("data", Bytes(~std::uint64_t{0} >> 1U)).error().reason,
            "volume.size");
  const auto volume = store_->create_blank("data", gib(2));
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(fs::file_size(volume->path), gib(2).count());
  EXPECT_LT(*store_->used("data"), mib(1));
  EXPECT_EQ(store_->volumes()->size(), 1U);
}

TEST_F(Store, exports_trees_whole_and_over_nothing) {
  ASSERT_TRUE(add("tree", small_tar()).has_value());
  const std::string target = scratch_ / "out.tar";
  ASSERT_TRUE(store_->export_image("tree", target, job_).has_value());
  EXPECT_EQ(store_->export_image("tree", target, job_).error().reason, "image.export_exists");
  EXPECT_EQ(store_->export_image("tree", "out.tar", job_).error().reason, "image.export_path");
  ASSERT_TRUE(add("again", target).has_value());
  EXPECT_EQ(read_back(store_->image("again")->path + "/etc/hosts"), "here");
  ASSERT_TRUE(store_->clone({.image = "tree", .volume = "box"}, job_).has_value());
  ASSERT_TRUE(store_->export_volume("box", scratch_ / "box.tar", job_).has_value());
  ASSERT_TRUE(add("from-box", scratch_ / "box.tar").has_value());
}

TEST_F(Store, a_stopped_import_leaves_nothing) {
  std::stop_source stop;
  job_.stop = stop.get_token();
  std::vector<std::string> steps;
  job_.progress = [&](const Progress& progress) {
    steps.push_back(progress.step);
    stop.request_stop();
  };
  EXPECT_EQ(reason(scratch_.write("disk.img", raw_disk(4096, 4000))), "image.cancelled");
  EXPECT_FALSE(steps.empty());
}

TEST_F(Store, keeps_space_free_for_running_guests) {
  reopen(gib(1024 * 1024));
  const std::string disk = raw_disk(40 * 2048, 4000);
  EXPECT_EQ(reason(scratch_.write("disk.img", disk)), "image.disk_full");
}

TEST_F(Store, is_taken_by_one_process_at_a_time) {
  Options options;
  options.directory = scratch_ / "store";
  const auto second = ImageStore::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "image.store_locked");
  options.directory = "relative";
  EXPECT_EQ(ImageStore::open(options).error().reason, "image.store_path");
}

TEST_F(Store, removes_what_an_earlier_process_left_unfinished) {
  scratch_.write("store/staging/import-7/tree/etc/hosts", "half");
  reopen();
  EXPECT_TRUE(staging().empty());
  EXPECT_TRUE(store_->images()->empty());
}

TEST_F(Store, a_damaged_record_is_named_and_does_not_hide_the_others) {
  ASSERT_TRUE(add("good", small_tar()).has_value());
  ASSERT_TRUE(add("bad", small_tar()).has_value());
  scratch_.write("store/images/bad/image.json", "{\"name\": 7");
  EXPECT_EQ(store_->image("bad").error().reason, "image.record_damaged");
  ASSERT_TRUE(store_->images());
  EXPECT_EQ(store_->images()->size(), 1U);
}

TEST_F(Store, two_imports_of_one_name_do_not_meet) {
  ImportRequest request;
  request.name = "disk";
  request.source = scratch_.write("disk.img", raw_disk(8192, 4000));
  std::string inner;
  Job job;
  job.progress = [&](const Progress&) {  // while the first one is on its way
    const auto second = store_->import(request, Job());
    if (!second) inner = second.error().reason;
  };
  ASSERT_TRUE(store_->import(request, job).has_value());
  EXPECT_EQ(inner, "image.busy");
}

TEST_F(Store, records_survive_the_way_through_json) {
  Info info;
  info.name = "web";
  info.source = "oci:/x\xff";
  info.format = Format::Qcow2;
  info.size = gib(3);
  info.kernel = "/somewhere/kernel";
  info.entrypoint = {"/bin/sh", "-c", "echo \"hi\""};
  info.notes = {"one"};
  const auto back = decode_info(encode(info), "/images/web");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->size, info.size);
  EXPECT_EQ(back->kernel, "/images/web/kernel");
  EXPECT_EQ(back->path, "/images/web/disk.qcow2");
  EXPECT_EQ(back->entrypoint, info.entrypoint);
  for (const std::string_view text : {"", "[]", "{}", "{\"name\":\"x\"}"}) {
    EXPECT_EQ(decode_info(text, "/d").error().reason, "image.record_damaged");
    EXPECT_EQ(decode_volume(text, "/d").error().reason, "image.record_damaged");
  }
}

}  // namespace
}  // namespace aloft::image
