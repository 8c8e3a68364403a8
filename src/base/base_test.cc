#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace aloft {
namespace {

TEST(Bytes, reads_the_units_people_write) {
  EXPECT_EQ(parse_bytes("512MiB").value(), mib(512));
  EXPECT_EQ(parse_bytes("10 GiB").value(), gib(10));
  EXPECT_EQ(parse_bytes("1.5GiB").value(), mib(1536));
  EXPECT_EQ(parse_bytes("4096").value(), Bytes(4096));
  EXPECT_EQ(parse_bytes("64K").value(), kib(64));
  EXPECT_EQ(parse_bytes("10GB").value(), Bytes(10'000'000'000));
  EXPECT_EQ(parse_bytes("0").value(), Bytes(0));
}

TEST(Bytes, refuses_what_is_not_a_size) {
  for (const char* text :
       {"", " ", "-1", "1E30", "MiB", "12 parsecs", "1..5G", "0x10", "１GiB", "."}) {
    const auto size = parse_bytes(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, Code::InvalidArgument);
    EXPECT_EQ(size.error().reason, "size.invalid") << text;
  }
}

TEST(Bytes, refuses_more_than_eight_exbibytes) {
  for (const char* text :
       {"9223372036854775808", "99999999999999999999999", "8192PiB", "9e9", "8192.5P"}) {
    const auto size = parse_bytes(text);
    ASSERT_FALSE(size) << text;
  }
  EXPECT_EQ(parse_bytes("9223372036854775807").value().count(), 9223372036854775807U);
}

TEST(Bytes, are_written_with_their_unit) {
  EXPECT_EQ(to_string(Bytes(0)), "0 B");
  EXPECT_EQ(to_string(mib(512)), "512 MiB");
  EXPECT_EQ(to_string(mib(1536)), "1.5 GiB");
}

TEST(Result, every_code_has_a_name_a_status_and_an_exit_code) {
  std::set<std::string_view> names;
  for (int value = 0; value < 16; ++value) {
    const auto code = static_cast<Code>(value);
    names.insert(code_name(code));
    EXPECT_GE(http_status(code), 400);
    EXPECT_GT(exit_code(code), 0);
  }
  EXPECT_EQ(names.size(), 16U);
}

TEST(Result, a_system_error_names_its_object_and_cause) {
  const Error error = system_error(ENOSPC, "image.write", "image web: cannot write");
  EXPECT_EQ(error.code, Code::ResourceExhausted);
  EXPECT_EQ(error.message, "image web: cannot write: No space left on device");
}

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Code::InvalidArgument, "half.odd", "odd");
  return value / 2;
}
Result<int> quarter(int value) {
  ALOFT_ASSIGN(const int once, half(value));
  ALOFT_TRY(half(once));
  return half(once);
}

TEST(Result, errors_pass_through_the_macros) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().reason, "half.odd");
}

TEST(Random, the_same_seed_gives_the_same_numbers) {
  Random first(7);
  Random second(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.next(), second.next());
  EXPECT_NE(Random(7).next(), Random(8).next());
}

TEST(Random, stays_within_its_bounds) {
  Random random(1);
  std::set<std::int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.between(-2, 2));
  EXPECT_EQ(seen, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  for (int i = 0; i < 1000; ++i) {
    const double unit = random.unit();
    EXPECT_GE(unit, 0.0);
    EXPECT_LT(unit, 1.0);
  }
}

TEST(StrongId, counts_up) {
  using Epoch = StrongId<struct EpochTag>;
  EXPECT_LT(Epoch(1), Epoch(1).next());
}

TEST(Log, a_record_goes_to_the_sink_when_its_level_is_on) {
  std::vector<std::string> lines;
  log::set_sink([&](log::Level, std::string_view subject, std::string_view message) {
    lines.push_back(std::string(subject) + "|" + std::string(message));
  });
  log::info("guest web", "started in {} ms", 12);
  log::debug("guest web", "not shown");
  log::set_sink({});
  EXPECT_EQ(lines, std::vector<std::string>{"guest web|started in 12 ms"});
}

TEST(Instant, the_boot_clock_moves_forward) {
  const Instant before = boot_now();
  EXPECT_LE(before, boot_now());
  EXPECT_GT(wall_now().time_since_epoch().count(), 0);
}

}  // namespace
}  // namespace aloft
