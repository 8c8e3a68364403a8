#include "guest/record.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "guest/limits.h"

namespace aloft::guest {
namespace {

Config full_config() {
  Config config;
  config.name = "web1";
  config.uid = "5f0c2a3e-0000-4000-8000-000000000001";
  config.instance = "7";
  config.architecture = "x86_64";
  config.cpus = 2;
  config.cpus_max = 4;
  config.cpu_shares = 250;
  config.memory = mib(256);
  config.memory_max = gib(1);
  config.disks = {{.name = "root", .path = "/var/lib/aloft/web1/root", .format = DiskFormat::Qcow2},
                  {.name = "seed",
                   .path = "/seed.iso",
                   .bus = DiskBus::Sata,
                   .read_only = true,
                   .cdrom = true,
                   .discard_changes = true}};
  config.nics = {{.bridge = "br0",
                  .mac = "52:54:00:ab:cd:ef",
                  .address = "10.0.0.2/24",
                  .gateway = "10.0.0.1"}};
  config.cloud_init_seed = "/seed.iso";
  config.kernel = "/boot/kernel";
  config.initrd = "/boot/initrd";
  config.kernel_arguments = "console=ttyS0 quiet";
  config.watchdog = WatchdogAction::PowerOff;
  config.guest_agent = true;
  config.vnc = true;
  config.entrypoint = {"/bin/sh", "-c", "echo 'a\\n'\nexit"};
  config.options = {{"privileged", "true"}, {"machine", "q35"}};
  return config;
}

TEST(Record, gives_back_any_value_as_it_went_in) {
  Record record;
  record.set("a", "with \\ and\nnew line \\n");
  record.set("b", "");
  record.set("c", 18'446'744'073'709'551'615U);
  const auto back = Record::decode(record.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, record);
  EXPECT_EQ(back->number("c"), 18'446'744'073'709'551'615U);
  EXPECT_TRUE(back->has("b"));
  EXPECT_FALSE(back->has("d"));
  EXPECT_EQ(back->number("a"), 0U);
}

TEST(Record, that_was_cut_at_any_byte_is_damaged) {
  const std::string text = to_record(full_config()).encode();
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto record = Record::decode(text.substr(0, length));
    ASSERT_FALSE(record) << length;
    EXPECT_EQ(record.error().reason, "guest.record_damaged");
  }
  EXPECT_FALSE(Record::decode(text + "x y\n"));
}

TEST(Record, a_definition_comes_back_whole) {
  const auto text = to_record(full_config()).encode();
  const auto record = Record::decode(text);
  ASSERT_TRUE(record);
  const auto config = to_config(*record);
  ASSERT_TRUE(config);
  EXPECT_EQ(to_record(*config).encode(), text);
  EXPECT_EQ(config->entrypoint, full_config().entrypoint);
  EXPECT_EQ(config->options, full_config().options);
  ASSERT_EQ(config->disks.size(), 2U);
  EXPECT_EQ(config->disks[1].bus, DiskBus::Sata);
  EXPECT_EQ(config->watchdog, WatchdogAction::PowerOff);
}

TEST(Record, with_changed_bytes_never_gives_more_than_an_error) {
  const std::string text = to_record(full_config()).encode();
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = text;
    for (int change = 0; change < 3; ++change) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    }
    const auto record = Record::decode(damaged);
    if (record) static_cast<void>(to_config(*record));
  }
}

TEST(Record, with_values_out_of_range_is_damaged) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"watchdog", "9"},
                                                                      {"disks", "1000000"},
                                                                      {"nics", "33"},
                                                                      {"entrypoints", "99999999"},
                                                                      {"name", "Not A Label"},
                                                                      {"disk.0.format", "17"}}) {
    Record record = to_record(full_config());
    record.set(name, value);
    EXPECT_FALSE(to_config(record)) << name;
  }
}

TEST(Config, that_is_complete_is_taken) {
  EXPECT_TRUE(check_config(full_config()));
}

TEST(Config, what_no_driver_could_hold_is_refused) {
  const std::vector<std::function<void(Config&)>> mistakes{
      [](Config& c) { c.name = ""; },
      [](Config& c) { c.name = "Web"; },
      [](Config& c) { c.name = std::string(64, 'a'); },
      [](Config& c) { c.name = "../x"; },
      [](Config& c) { c.name = "-a"; },
      [](Config& c) { c.cpus = 0; },
      [](Config& c) { c.cpus_max = 1; },
      [](Config& c) { c.cpu_shares = 0; },
      [](Config& c) { c.cpu_shares = 10'001; },
      [](Config& c) { c.memory = Bytes(0); },
      [](Config& c) { c.memory_max = mib(1); },
      [](Config& c) { c.disks[1].name = "root"; },
      [](Config& c) { c.disks[0].path = "relative"; },
      [](Config& c) { c.disks[0].path = "/a\nlxc.hook.start = /bin/sh"; },
      [](Config& c) { c.disks.resize(kMaxDisks + 1, c.disks[0]); },
      [](Config& c) { c.nics[0].bridge = "../../etc"; },
      [](Config& c) { c.nics[0].bridge = "sixteen-letters-"; },
      [](Config& c) { c.nics[0].mac = "52:54:00:AB:CD:EF"; },
      [](Config& c) { c.nics[0].mac = "52-54-00-ab-cd-ef"; },
      [](Config& c) { c.nics[0].address = "1.2.3.4/8\n"; },
      [](Config& c) { c.kernel = "boot/kernel"; },
      [](Config& c) { c.kernel_arguments = "a\nb"; },
      [](Config& c) { c.options["two words"] = "x"; },
      [](Config& c) { c.options["a"] = "x\ny"; },
      [](Config& c) { c.entrypoint[0] = std::string("a\0b", 3); },
      [](Config& c) { c.entrypoint.assign(kMaxCommandWords + 1, "x"); },
  };
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    Config config = full_config();
    mistakes[i](config);
    const auto checked = check_config(config);
    ASSERT_FALSE(checked) << "mistake " << i;
    EXPECT_EQ(checked.error().reason, "guest.config_invalid");
    EXPECT_EQ(checked.error().code, Code::InvalidArgument);
  }
}

}  // namespace
}  // namespace aloft::guest
