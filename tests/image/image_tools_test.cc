// The image store with what it has outside: qemu-img, xorriso, mounts, file systems that fill up,
// processes that are killed. Parts that this machine cannot do are skipped with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/random.h"
#include "image/image_store.h"
#include "image/process.h"
#include "image/sample_files.h"

namespace aloft::image {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// Bytes that no compression and no hole makes smaller.
std::string noise(Bytes size) {
  Random random(11);
  std::string text;
  text.reserve(size.count() + 8);
  while (text.size() < size.count()) {
    const std::uint64_t value = random.next();
    for (unsigned i = 0; i < 8; ++i) text += static_cast<char>(value >> (8 * i) & 0xFFU);
  }
  text.resize(size.count());
  return text;
}

// A raw disk full of noise behind its partition table.
std::string full_disk(Bytes size) {
  const std::string head = raw_disk(4, 3);
  return head + noise(size - Bytes(head.size()));
}

class ImageTools : public testing::Test {
 protected:
  void SetUp() override { options_ = defaults(scratch_ / "store"); }
  void TearDown() override {
    store_.reset();
    std::error_code error;
    if (fs::exists(scratch_ / "store/volumes", error)) {
      for (const auto& volume : fs::directory_iterator(scratch_ / "store/volumes", error)) {
        ::umount2((volume.path() / "root").c_str(), MNT_DETACH);
      }
    }
  }
  static Options defaults(std::string directory) {
    Options options;
    options.directory = std::move(directory);
    options.id_base = 0;
    options.free_reserve = Bytes(1);
    options.allow_reflink = false;
    return options;
  }
  ImageStore& open() {
    store_.reset();
    auto opened = ImageStore::open(options_);
    EXPECT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    return *store_;
  }
  // Runs a tool the test needs; its output.
  std::string tool(const std::vector<std::string>& command) const {
    const auto finished = run(command, RunOptions());
    EXPECT_TRUE(finished) << finished.error().message;
    if (!finished) return {};
    EXPECT_EQ(finished->status, 0) << command[0] << ": " << finished->errors;
    return finished->output;
  }
  Result<Info> add(const std::string& name, const std::string& source) {
    ImportRequest request;
    request.name = name;
    request.source = source;
    return store_->import(request, job_);
  }
  std::string reason(const std::string& source) {
    const auto info = add("wanted", source);
    EXPECT_TRUE(nothing_left());
    return info ? "taken" : info.error().reason;
  }
  bool nothing_left() const {
    const std::string& directory = options_.directory;
    return !exists(directory + "/images/wanted") &&
           names_in(directory + "/staging").value_or(std::vector<std::string>{"?"}).empty();
  }
  std::string qcow2(const std::string& name, const std::string& content) const {
    const std::string raw = scratch_.write(name + ".raw", content);
    std::string path = scratch_ / name;
    tool({"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path});
    return path;
  }

  Scratch scratch_;
  Options options_;
  Job job_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(ImageTools, imports_a_qcow2_image_and_clones_it_as_an_overlay) {
  open();
  const auto info = add("disk", qcow2("disk.qcow2", raw_disk(8192, 8000)));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->format, Format::Qcow2);
  EXPECT_EQ(info->size, mib(4));
  CloneRequest request;
  request.image = "disk";
  request.volume = "web";
  request.size = mib(64);
  const auto volume = store_->clone(request, job_);
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(volume->method, CloneMethod::Overlay);
  const std::string shown = tool({"qemu-img", "info", "--backing-chain", volume->path});
  EXPECT_THAT(shown, HasSubstr("64 MiB"));
  EXPECT_THAT(shown, HasSubstr("images/disk/disk.qcow2"));
  const auto removed = store_->remove_image("disk");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().reason, "image.in_use");
  EXPECT_THAT(removed.error().message, HasSubstr("web"));
  ASSERT_TRUE(store_->grow_volume("web", mib(128)).has_value());
  EXPECT_THAT(tool({"qemu-img", "info", volume->path}), HasSubstr("128 MiB"));
  ASSERT_TRUE(store_->remove_volume("web").has_value());
  EXPECT_TRUE(store_->remove_image("disk").has_value());
}

TEST_F(ImageTools, an_exported_volume_stands_alone) {
  open();
  const std::string content = raw_disk(8192, 8000);
  ASSERT_TRUE(add("disk", qcow2("disk.qcow2", content)).has_value());
  CloneRequest request;
  request.image = "disk";
  request.volume = "web";
  ASSERT_TRUE(store_->clone(request, job_).has_value());
  const std::string target = scratch_ / "export.qcow2";
  const auto exported = store_->export_volume("web", target, job_);
  ASSERT_TRUE(exported) << exported.error().message;
  ASSERT_TRUE(store_->export_image("disk", scratch_ / "image.qcow2", job_).has_value());
  for (const std::string& file : {target, scratch_ / "image.qcow2"}) {
    EXPECT_THAT(tool({"qemu-img", "info", file}), Not(HasSubstr("backing")));
    tool({"qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, scratch_ / "back.raw"});
    EXPECT_EQ(read_back(scratch_ / "back.raw"), content);
  }
}

TEST_F(ImageTools, refuses_images_that_qemu_img_made_to_point_outside) {
  open();
  const std::string base = qcow2("base.qcow2", raw_disk(8192, 8000));
  tool({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base,
        scratch_ / "overlay.qcow2"});
  EXPECT_EQ(reason(scratch_ / "overlay.qcow2"), "image.backing_file_outside");
  tool({"qemu-img", "create", "-q", "-f", "qcow2", "-o",
        "data_file=" + (scratch_ / "data.raw") + ",data_file_raw=on", scratch_ / "thin.qcow2",
        "4M"});
  EXPECT_EQ(reason(scratch_ / "thin.qcow2"), "image.data_file_outside");
}

TEST_F(ImageTools, refuses_a_damaged_or_truncated_qcow2_image) {
  open();
  const std::string whole = read_back(qcow2("disk.qcow2", full_disk(mib(2))));
  for (const std::size_t size :
       {std::size_t{100}, std::size_t{70'000}, whole.size() / 2, whole.size() - 300'000}) {
    EXPECT_EQ(reason(scratch_.write("cut.qcow2", whole.substr(0, size))), "image.corrupt") << size;
  }
  std::string damaged = whole;
  damaged.replace(std::size_t{2} << 16U, 64, std::string(64, '\xee'));  // a table of refcounts
  EXPECT_EQ(reason(scratch_.write("damaged.qcow2", damaged)), "image.corrupt");
}

TEST_F(ImageTools, takes_compressed_disks_and_trees_and_finds_cut_ones) {
  open();
  const std::string disk = full_disk(mib(2));
  const std::string raw = scratch_.write("disk.img", disk);
  tool({"gzip", "--keep", raw});
  const auto unpacked = add("disk", raw + ".gz");
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(read_back(unpacked->path), disk);
  const std::string packed = read_back(raw + ".gz");
  EXPECT_EQ(unpacked->sha256, sha256_of(packed));
  EXPECT_EQ(reason(scratch_.write("cut.gz", packed.substr(0, packed.size() / 2))), "image.corrupt");

  const std::string tar = scratch_.write(
      "tree.tar", tar_entry({.name = "srv/noise", .content = noise(mib(1))}) + tar_end());
  for (const std::string& packer : {std::string("xz"), std::string("zstd"), std::string("bzip2")}) {
    if (run({packer, "--version"}, RunOptions())) {
      tool({packer, "-k", "-f", "-q", tar});
      const std::string suffix = packer == "zstd" ? ".zst" : packer == "bzip2" ? ".bz2" : ".xz";
      const auto tree = add("tree-" + packer, tar + suffix);
      ASSERT_TRUE(tree) << packer << ": " << tree.error().message;
      EXPECT_EQ(tree->size, mib(1));
      const std::string text = read_back(tar + suffix);
      EXPECT_EQ(reason(scratch_.write("cut", text.substr(0, text.size() / 2))), "image.corrupt")
          << packer;
    }
  }
}

TEST_F(ImageTools, a_bomb_stops_when_space_runs_out) {
  options_.free_reserve = gib(1024 * 1024);
  open();
  const std::string bomb = scratch_.write(
      "bomb.tar",
      tar_entry({.name = "zeros", .content = std::string(mib(64).count(), '\0')}) + tar_end());
  tool({"gzip", bomb});
  ASSERT_LT(fs::file_size(bomb + ".gz"), mib(1).count());
  EXPECT_EQ(reason(bomb + ".gz"), "image.disk_full");
}

TEST_F(ImageTools, a_full_file_system_ends_an_import_and_nothing_stays) {
  const std::string place = scratch_ / "small";
  fs::create_directory(place);
  if (::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "cannot mount a tmpfs here";
  }
  options_.directory = place + "/store";
  open();
  const auto used = [&place] { return fs::space(place).capacity - fs::space(place).free; };
  const std::uintmax_t before = used();
  EXPECT_EQ(reason(scratch_.write("disk.img", full_disk(mib(12)))), "image.disk_full");
  const std::string tar = tar_entry({.name = "srv/noise", .content = noise(mib(12))}) + tar_end();
  EXPECT_EQ(reason(scratch_.write("tree.tar", tar)), "image.disk_full");
  EXPECT_LE(used(), before + 65'536) << "the space is free again";
  EXPECT_TRUE(add("small", scratch_.write("small.img", full_disk(mib(1)))).has_value());
  store_.reset();
  ::umount2(place.c_str(), MNT_DETACH);
}

// Runs `body` in a process of its own; its exit status.
template <class Body>
int in_child(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(ImageTools, a_limit_on_file_sizes_is_named_as_such) {
  open();
  const std::string source = scratch_.write("disk.img", full_disk(mib(4)));
  EXPECT_EQ(in_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{1U << 20U, 1U << 20U};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              const auto info = add("wanted", source);
              return !info && info.error().reason == "image.disk_full" && nothing_left() ? 0 : 1;
            }),
            0);
}

TEST_F(ImageTools, a_process_killed_while_importing_leaves_nothing) {
  const std::string source = scratch_.write("disk.img", full_disk(mib(8)));
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto store = ImageStore::open(options_);
    ImportRequest request;
    request.name = "wanted";
    request.source = source;
    Job job;
    job.progress = [&pipe](const Progress& progress) {
      if (progress.step != "writing to disk") return;  // everything but the record is there
      static_cast<void>(::write(pipe[1], "x", 1));
      while (true) ::pause();
    };
    static_cast<void>((*store)->import(request, job));
    ::_exit(0);
  }
  ::close(pipe[1]);
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
  ::close(pipe[0]);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_FALSE(nothing_left()) << "it was in the middle";
  open();
  EXPECT_TRUE(nothing_left());
  EXPECT_TRUE(store_->images()->empty());
  EXPECT_TRUE(add("wanted", source).has_value()) << "and it can be tried again";
}

TEST_F(ImageTools, a_tool_that_is_missing_is_named) {
  options_.qemu_img = "/nonexistent/qemu-img";
  open();
  EXPECT_EQ(reason(qcow2("disk.qcow2", raw_disk(8192, 8000))), "image.tool_missing");
}

TEST_F(ImageTools, a_tool_is_stopped_with_its_import) {
  const std::string script = scratch_.write("qemu-img", "#!/bin/sh\nsleep 600 & wait\n");
  fs::permissions(script, fs::perms::owner_all);
  options_.qemu_img = script;
  open();
  const std::string source = qcow2("disk.qcow2", raw_disk(8192, 8000));
  std::stop_source stop;
  job_.stop = stop.get_token();
  job_.progress = [&stop](const Progress& progress) {
    if (progress.step == "checking") stop.request_stop();
  };
  EXPECT_EQ(reason(source), "image.cancelled");
}

TEST_F(ImageTools, the_seed_of_a_virtual_machine_holds_what_cloud_init_reads) {
  open();
  SeedRequest request;
  request.guest = "web";
  request.instance_id = "id-1";
  request.hostname = "web";
  request.user_data = "packages: [nginx]\n";
  request.network_config = "version: 2\n";
  const auto seed = store_->write_seed(request);
  ASSERT_TRUE(seed) << seed.error().message;
  const std::string out = scratch_ / "out";
  tool({"xorriso", "-osirrox", "on", "-indev", *seed, "-extract", "/", out});
  EXPECT_EQ(read_back(out + "/user-data"), "#cloud-config\npackages: [nginx]\n");
  EXPECT_EQ(read_back(out + "/meta-data"), "instance-id: id-1\nlocal-hostname: web\n");
  EXPECT_EQ(read_back(out + "/network-config"), "version: 2\n");
  EXPECT_THAT(read_back(*seed), HasSubstr("cidata"));
  request.user_data = "a: [";
  EXPECT_EQ(store_->write_seed(request).error().reason, "cloud_init.not_yaml");
  EXPECT_TRUE(exists(*seed)) << "the older one stays";
  ASSERT_TRUE(store_->remove_seed("web").has_value());
  EXPECT_FALSE(exists(*seed));
  ASSERT_TRUE(store_->remove_seed("web").has_value());
  tool({"chmod", "-R", "u+w", out});
}

TEST_F(ImageTools, a_containers_root_is_an_overlay_that_comes_back_after_a_reboot) {
  open();
  const auto abilities = store_->abilities();
  ASSERT_EQ(abilities.size(), 2U);
  if (!abilities[1].available) GTEST_SKIP() << abilities[1].reason;
  const std::string tar =
      scratch_.write("tree.tar", tar_entry({.name = "etc/hosts", .content = "here"}) + tar_end());
  ASSERT_TRUE(add("tree", tar).has_value());
  CloneRequest request;
  request.image = "tree";
  request.volume = "box";
  const auto volume = store_->clone(request, job_);
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(volume->method, CloneMethod::Overlay);
  SeedRequest seed;
  seed.guest = "box";
  seed.instance_id = "id-1";
  seed.hostname = "box";
  seed.user_data = "packages: [nginx]\n";
  const auto seeded = store_->seed_tree("box", seed);
  ASSERT_TRUE(seeded) << seeded.error().message;
  const std::string inside = volume->path + "/var/lib/cloud/seed/nocloud-net/meta-data";
  EXPECT_THAT(read_back(inside), HasSubstr("id-1"));
  EXPECT_EQ(store_->remove_image("tree").error().reason, "image.in_use");
  EXPECT_FALSE(exists(store_->image("tree")->path + "/var")) << "the image is not written";

  store_.reset();
  ASSERT_EQ(::umount2(volume->path.c_str(), MNT_DETACH), 0);  // as a reboot does
  EXPECT_FALSE(exists(inside));
  open();
  ASSERT_TRUE(store_->ensure_ready("box").has_value());
  EXPECT_THAT(read_back(inside), HasSubstr("id-1"));
  EXPECT_EQ(read_back(volume->path + "/etc/hosts"), "here");
  ASSERT_TRUE(store_->export_volume("box", scratch_ / "box.tar", job_).has_value());
  EXPECT_THAT(read_back(scratch_ / "box.tar"), HasSubstr("etc/hosts"));

  ASSERT_TRUE(store_->remove_volume("box").has_value());
  EXPECT_FALSE(exists(volume->path));
  EXPECT_THAT(read_back("/proc/self/mounts"), Not(HasSubstr(scratch_.path())));
}

TEST_F(ImageTools, owners_are_those_of_the_containers_range) {
  const std::string probe = scratch_.write("probe", "x");
  if (::chown(probe.c_str(), 100'033, 100'033) != 0) GTEST_SKIP() << "cannot change owners here";
  options_.id_base = 100'000;
  options_.allow_overlay = false;
  open();
  const std::string tar = scratch_.write(
      "tree.tar", tar_entry({.name = "srv/www", .content = "x", .owner = 33}) + tar_end());
  ASSERT_TRUE(add("tree", tar).has_value());
  const auto owner = [](const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status.st_uid;
  };
  EXPECT_EQ(owner(store_->image("tree")->path + "/srv/www"), 100'033U);
  EXPECT_EQ(owner(store_->image("tree")->path + "/srv"), 100'000U);
  CloneRequest request;
  request.image = "tree";
  request.volume = "trusted";
  request.privileged = true;
  const auto volume = store_->clone(request, job_);
  ASSERT_TRUE(volume) << volume.error().message;
  EXPECT_EQ(owner(volume->path + "/srv/www"), 33U);
  ASSERT_TRUE(store_->export_image("tree", scratch_ / "out.tar", job_).has_value());
  ASSERT_TRUE(add("again", scratch_ / "out.tar").has_value());
  EXPECT_EQ(owner(store_->image("again")->path + "/srv/www"), 100'033U);
}

TEST_F(ImageTools, a_registry_that_does_not_answer_is_named) {
  if (!run({"skopeo", "--version"}, RunOptions())) GTEST_SKIP() << "skopeo is not installed";
  open();
  ImportRequest request;
  request.name = "wanted";
  request.source = "oci:127.0.0.1:1/nothing:latest";
  const auto info = store_->import(request, job_);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().reason, "image.fetch");
  EXPECT_THAT(info.error().message, HasSubstr("127.0.0.1:1/nothing"));
  EXPECT_TRUE(nothing_left());
}

}  // namespace
}  // namespace aloft::image
