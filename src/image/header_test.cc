#include "image/header.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

#include "base/random.h"
#include "image/limits.h"
#include "image/sample_files.h"

namespace aloft::image {
namespace {

Prefix bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
Recognised recognise_text(std::string_view text) {
  return recognise(bytes(text).subspan(0, std::min(text.size(), kPrefixSize)));
}
std::string refused(const Qcow2Fields& fields) {
  const std::string file = qcow2_file(fields);
  const auto header = check_qcow2(bytes(file), Bytes(file.size()));
  return header ? "taken" : header.error().reason;
}

TEST(Header, tells_files_by_content) {
  EXPECT_EQ(recognise_text("").kind, Kind::Empty);
  EXPECT_EQ(recognise_text("hello").kind, Kind::Unknown);
  EXPECT_EQ(recognise_text(qcow2_file({})).kind, Kind::Qcow2);
  EXPECT_EQ(recognise_text(raw_disk(64, 60)).kind, Kind::Raw);
  EXPECT_EQ(recognise_text(tar_entry({.name = "etc/hosts"})).kind, Kind::Tar);
  EXPECT_EQ(recognise_text("\x1f\x8b\x08").kind, Kind::Gzip);
  EXPECT_EQ(recognise_text("BZh9").kind, Kind::Bzip2);
  EXPECT_EQ(recognise_text("KDMV").kind, Kind::Unsupported);
  EXPECT_EQ(recognise_text("KDMV").description, "VMDK disk");
  EXPECT_EQ(recognise_text("vhdxfile").kind, Kind::Unsupported);
}

TEST(Header, tells_a_tar_of_version_7_by_its_checksum) {
  std::string header = tar_entry({.name = "etc/hosts"});
  header.replace(257, 8, std::string(8, '\0'));
  EXPECT_EQ(recognise_text(header).kind, Kind::Unknown);
  std::uint64_t sum = 0;
  header.replace(148, 8, "        ");
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put_octal(header, 148, 7, sum);
  EXPECT_EQ(recognise_text(header).kind, Kind::Tar);
}

TEST(Header, takes_a_self_contained_qcow2_image) {
  const std::string file = qcow2_file({});
  const auto header = check_qcow2(bytes(file), Bytes(file.size()));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->virtual_size, mib(1));
  EXPECT_EQ(header->version, 3U);
}

TEST(Header, refuses_a_qcow2_image_that_points_outside) {
  EXPECT_EQ(refused({.backing_offset = 512}), "image.backing_file_outside");
  EXPECT_EQ(refused({.features = 4}), "image.data_file_outside");
}

TEST(Header, refuses_qcow2_images_that_cannot_be_right) {
  EXPECT_EQ(refused({.virtual_size = 0}), "image.corrupt");
  EXPECT_EQ(refused({.virtual_size = ~std::uint64_t{0}}), "image.too_large");
  EXPECT_EQ(refused({.features = 2}), "image.corrupt");
  EXPECT_EQ(refused({.features = 1U << 20U}), "image.corrupt");
  EXPECT_EQ(refused({.version = 9}), "image.corrupt");
  EXPECT_EQ(refused({.cluster_bits = 63}), "image.corrupt");
  EXPECT_EQ(refused({.encryption = 2}), "image.encrypted");
  EXPECT_EQ(refused({.l1_offset = ~std::uint64_t{0}}), "image.corrupt");
  EXPECT_EQ(refused({.l1_entries = ~std::uint32_t{0}}), "image.corrupt");
  EXPECT_EQ(refused({.refcount_clusters = ~std::uint32_t{0}}), "image.corrupt");
}

TEST(Header, refuses_a_qcow2_image_cut_off_anywhere_before_its_tables) {
  const std::string file = qcow2_file({});
  for (const std::size_t size : {4U, 71U, 72U, 103U, 104U, 4096U, 0x10000U, 0x1ffffU, 0x30007U}) {
    const std::string_view part = std::string_view(file).substr(0, size);
    EXPECT_FALSE(check_qcow2(bytes(part), Bytes(size)).has_value()) << size;
  }
}

TEST(Header, refuses_a_raw_disk_shorter_than_its_partitions) {
  const std::string whole = raw_disk(64, 60);
  EXPECT_TRUE(check_raw(bytes(whole), Bytes(whole.size())).has_value());
  const auto cut = check_raw(bytes(whole), Bytes(whole.size() - 16 * 512));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().reason, "image.corrupt");
  EXPECT_FALSE(check_raw(bytes(whole), Bytes(whole.size() - 1)).has_value());
}

TEST(Header, knows_the_machine_of_a_program) {
  std::string elf(64, '\0');
  elf.replace(0, 6,
              "\x7f"
              "ELF\x02\x01");
  elf[18] = 62;
  EXPECT_EQ(elf_architecture(bytes(elf)), "x86_64");
  elf[5] = 2;  // big-endian
  elf[18] = 0, elf[19] = 22;
  EXPECT_EQ(elf_architecture(bytes(elf)), "s390x");
  EXPECT_EQ(elf_architecture(bytes("#!/bin/sh")), "");
}

TEST(Header, answers_whatever_the_bytes_are) {
  Random random(7);
  std::string file = qcow2_file({}).substr(0, 512);
  for (int i = 0; i < 20'000; ++i) {
    std::string mutant = file;
    for (int k = 0; k < 4; ++k)
      mutant[random.below(mutant.size())] = static_cast<char>(random.next());
    const auto header = check_qcow2(bytes(mutant), Bytes(std::uint64_t{4} << 16U));
    if (header) {
      EXPECT_GT(header->virtual_size.count(), 0U);
    }
    static_cast<void>(recognise(bytes(mutant)));
    static_cast<void>(check_raw(bytes(mutant), Bytes(mutant.size())).has_value());
  }
}

}  // namespace
}  // namespace aloft::image
