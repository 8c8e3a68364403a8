#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/address.h"
#include "model/codec.h"
#include "model/limits.h"
#include "model/text.h"

namespace aloft::model {
namespace {

using ::testing::HasSubstr;

Metadata named(std::string_view name) {
  return Metadata{.name = *Name::make("guest name", name)};
}

GuestSpec small_spec() {
  GuestSpec spec;
  spec.image = "busybox";
  spec.memory = mib(64);
  return spec;
}

Guest full_guest() {
  GuestSpec spec = small_spec();
  spec.technique = Technique::Vm;
  spec.desired = Desired::Stopped;
  spec.cpus = 2;
  spec.cpu_shares = 200;
  spec.memory_max = mib(128);
  spec.cpus_max = 4;
  spec.architecture = Architecture::Aarch64;
  spec.disks = {{"root", "", Bytes(0), DiskBus::Scsi, false, false, DiskMode::Volatile},
                {"data", "vol1", gib(1), DiskBus::Virtio, true, false, DiskMode::Persistent}};
  spec.nics = {{"default", "52:54:00:12:34:56", "10.77.0.5/24"}};
  spec.cloud_init = "#cloud-config\nhostname: web1\n";
  spec.restart = {RestartPolicy::OnFailure, 3, 1000, 10, 100};
  spec.priority = 7;
  spec.depends_on = {"db1"};
  spec.health_checks = {{"tcp", TcpProbe{80}, 1, 2, 3, 4, 5, HealthAction::Report},
                        {"http", HttpProbe{8080, "/healthz"}, 0, 0, 0, 0, 0, HealthAction::Restart},
                        {"exec", ExecProbe{{"true", "x"}}, 0, 0, 0, 0, 0, HealthAction::Restart}};
  spec.watchdog = {WatchdogAction::Reset, 5000};
  spec.guest_agent = true;
  spec.vnc = true;
  spec.driver_options = {{"lxc.pids_max", "100"}};
  spec.kernel = "images/k/vmlinuz";
  spec.initrd = "images/k/initrd";
  spec.kernel_arguments = "console=ttyS0";
  spec.stop_timeout_ms = 12;
  GuestStatus status;
  status.state = GuestState::Running;
  status.host = "h1";
  status.reason = "guest.crash_loop";
  status.message = "it runs";
  status.process_id = 4711;
  status.since = WallTime(std::chrono::microseconds(1'700'000'000'123'456));
  status.observed_generation = 3;
  status.restarts = 2;
  status.addresses = {"10.77.0.5"};
  status.health = {{"tcp", true, 0, "connected"}};
  status.cpus = 2;
  status.memory = mib(64);
  status.accelerator = "tcg";
  status.console = "/dev/pts/3";
  status.vnc_address = "127.0.0.1:5900";
  status.started_at = status.since;
  status.last_exit = "killed by signal 9";
  status.instance = "i1";
  Metadata metadata = named("web1");
  metadata.uid = "0b8cf1a0-0000-4000-8000-000000000000";
  metadata.generation = 3;
  metadata.revision = 12;
  metadata.created_at = status.since;
  metadata.deleting_since = status.since;
  metadata.labels = {{"tier", "front"}};
  auto guest = Guest::make(metadata, spec, status);
  EXPECT_TRUE(guest) << guest.error().message;
  return *guest;
}

std::string message_of(const Result<Guest>& guest) {
  return guest ? "accepted" : guest.error().message;
}

TEST(Name, follows_rfc_1123) {
  for (const auto* good : {"a", "0", "web1", "a-b", "xn--abc"}) {
    EXPECT_TRUE(Name::make("guest name", good)) << good;
  }
  const std::string longest(63, 'a');
  EXPECT_TRUE(Name::make("guest name", longest));
  for (const std::string& bad :
       {std::string(), std::string("A"), std::string("-a"), std::string("a-"), std::string("a.b"),
        std::string("a/b"), std::string("a\0b", 3), std::string("\xC3\x28"), std::string(".."),
        longest + "a"}) {
    const auto name = Name::make("guest name", bad);
    ASSERT_FALSE(name) << bad;
    EXPECT_EQ(name.error().reason, "name.invalid");
    EXPECT_TRUE(is_utf8(name.error().message));
    EXPECT_THAT(name.error().message, HasSubstr("guest name"));
  }
}

TEST(Text, knows_well_formed_utf8) {
  for (const auto* good : {"", "abc", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const auto* bad : {"\x80", "\xC0\xAF", "\xC3", "\xED\xA0\x80", "\xE0\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Text, of_the_world_becomes_storable) {
  EXPECT_EQ(clean_text("ok \xFF end", 100), "ok \xEF\xBF\xBD end");
  EXPECT_EQ(clean_text("\xE2\x82\xAC\xE2\x82\xAC", 5), "\xE2\x82\xAC");
  EXPECT_EQ(clean_text("", 5), "");
}

TEST(Address, is_read_and_written_canonically) {
  for (const auto& [text, canonical] :
       std::map<std::string, std::string>{{"10.77.0.5/24", "10.77.0.5/24"},
                                          {"0.0.0.0/0", "0.0.0.0/0"},
                                          {"fd00::5/64", "fd00::5/64"},
                                          {"::/0", "::/0"},
                                          {"::1/128", "::1/128"},
                                          {"1:0:0:2:0:0:0:3/10", "1:0:0:2::3/10"},
                                          {"2001:DB8:0:1:1:1:1:1/64", "2001:db8:0:1:1:1:1:1/64"},
                                          {"1::/16", "1::/16"}}) {
    const auto prefix = parse_ip_prefix(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(to_string(*prefix), canonical);
  }
  for (const auto* bad : {"", "10.0.0.1", "10.0.0/24", "10.0.0.1/33", "256.0.0.1/8", "01.0.0.1/8",
                          "::1/129", "1:2:3:4:5:6:7:8:9/64", "1::2::3/64", "12345::/64", ":::/3",
                          "10.0.0.1/", "10.0.0.1/-1", "fd00::5", "1:2:3:4:5:6:7::8/64/"}) {
    EXPECT_FALSE(parse_ip_prefix(bad)) << bad;
  }
  EXPECT_EQ(*parse_mac("52:54:00:AB:cd:ef"), "52:54:00:ab:cd:ef");
  for (const auto* bad : {"", "52:54:00:ab:cd", "53:54:00:ab:cd:ef", "52-54-00-ab-cd-ef",
                          "5:54:00:ab:cd:ef", "52:54:00:ab:cd:eg"}) {
    EXPECT_FALSE(parse_mac(bad)) << bad;
  }
}

TEST(Guest, survives_bytes_and_json_unchanged) {
  const Guest guest = full_guest();
  const auto from = from_bytes<Guest>(to_bytes(guest));
  ASSERT_TRUE(from) << from.error().message;
  EXPECT_EQ(*from, guest);
  const auto json = from_json<Guest>(to_json(guest));
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(*json, guest);
}

TEST(Guest, is_put_together_from_spec_and_status) {
  const Guest guest = full_guest();
  const auto both = from_stored<Guest>(spec_to_bytes(guest), status_to_bytes(guest), 12);
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(*both, guest);
  Metadata other = guest.metadata();
  other.uid = "another";
  const auto renewed = *guest.with_metadata(other);
  const auto joined = from_stored<Guest>(spec_to_bytes(renewed), status_to_bytes(guest), 12);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->status(), GuestStatus{});
}

TEST(Guest, refuses_numbers_that_make_no_sense) {
  const auto with = [](auto change) {
    GuestSpec spec = small_spec();
    change(spec);
    return message_of(Guest::make(named("web1"), spec));
  };
  EXPECT_EQ(with([](GuestSpec&) {}), "accepted");
  EXPECT_THAT(with([](GuestSpec& s) { s.cpus = 0; }), HasSubstr("guest web1: cpus is 0"));
  EXPECT_THAT(with([](GuestSpec& s) { s.cpus = 1025; }), HasSubstr("cpus is 1025"));
  EXPECT_THAT(with([](GuestSpec& s) { s.cpus_max = 1, s.cpus = 2; }), HasSubstr("cpus_max"));
  EXPECT_THAT(with([](GuestSpec& s) { s.memory = Bytes(0); }), HasSubstr("memory_bytes is 0 B"));
  EXPECT_THAT(with([](GuestSpec& s) { s.memory = Bytes(UINT64_MAX); }), HasSubstr("memory_bytes"));
  EXPECT_THAT(with([](GuestSpec& s) { s.memory_max = mib(1); }), HasSubstr("memory_max_bytes"));
  EXPECT_THAT(with([](GuestSpec& s) { s.priority = 1001; }), HasSubstr("priority"));
  EXPECT_THAT(with([](GuestSpec& s) { s.depends_on = {"web1"}; }), HasSubstr("itself"));
  EXPECT_THAT(with([](GuestSpec& s) { s.depends_on = {"a", "a"}; }), HasSubstr("\"a\""));
  EXPECT_THAT(with([](GuestSpec& s) { s.kernel = "../../etc/shadow"; }), HasSubstr(".."));
  EXPECT_THAT(with([](GuestSpec& s) { s.kernel_arguments = "a\nb"; }), HasSubstr("control"));
  EXPECT_THAT(with([](GuestSpec& s) { s.cloud_init = std::string(65537, 'a'); }),
              HasSubstr("cloud_init"));
  EXPECT_THAT(with([](GuestSpec& s) { s.cloud_init = "\xFF"; }), HasSubstr("UTF-8"));
  EXPECT_THAT(with([](GuestSpec& s) { s.disks.resize(33); }), HasSubstr("disks"));
  EXPECT_THAT(with([](GuestSpec& s) {
                s.disks = {{.name = "d", .size = gib(1)}, {.name = "d", .size = gib(1)}};
              }),
              HasSubstr("two disks"));
  EXPECT_THAT(with([](GuestSpec& s) { s.disks = {{.name = "d", .size = Bytes(0)}}; }),
              HasSubstr("disk d size is 0"));
  EXPECT_THAT(with([](GuestSpec& s) { s.nics = {{.mac = "zz"}}; }), HasSubstr("MAC"));
  EXPECT_THAT(with([](GuestSpec& s) { s.nics = {{.address = "10.0.0.1"}}; }), HasSubstr("prefix"));
  EXPECT_THAT(with([](GuestSpec& s) { s.health_checks = {{"h", TcpProbe{0}}}; }),
              HasSubstr("port is 0"));
  EXPECT_THAT(with([](GuestSpec& s) { s.health_checks = {{"h", HttpProbe{1, "x"}}}; }),
              HasSubstr("path"));
  EXPECT_THAT(with([](GuestSpec& s) { s.health_checks = {{"h", ExecProbe{}}}; }),
              HasSubstr("arguments"));
  EXPECT_THAT(with([](GuestSpec& s) { s.driver_options = {{"a b", "c"}}; }), HasSubstr("a b"));
}

TEST(Guest, json_with_unknown_fields_or_wrong_types_is_refused_by_name) {
  const auto read = [](const std::string& spec) {
    return message_of(from_json<Guest>(R"({"metadata":{"name":"web1"},"spec":{)" + spec + "}}"));
  };
  EXPECT_EQ(read(R"("cpus":1,"memoryBytes":"67108864")"), "accepted");
  EXPECT_EQ(read(R"("cpus":1,"memory_bytes":67108864)"), "accepted");
  EXPECT_THAT(read(R"("cpuz":1,"memoryBytes":"67108864")"), HasSubstr("cpuz"));
  EXPECT_THAT(read(R"("cpus":"many","memoryBytes":"67108864")"), HasSubstr("cpus"));
  EXPECT_THAT(read(R"("cpus":-1,"memoryBytes":"67108864")"), HasSubstr("cpus"));
  EXPECT_THAT(read(R"("cpus":1,"memoryBytes":0)"), HasSubstr("memory_bytes is 0"));
  EXPECT_THAT(read(R"("cpus":1,"memoryBytes":-1)"), HasSubstr("memory_bytes"));
  EXPECT_THAT(read(R"("cpus":1,"memoryBytes":1E30)"), HasSubstr("memory_bytes"));
  EXPECT_THAT(read(R"("cpus":1,"memoryBytes":1,"desired":99)"), HasSubstr("desired is 99"));
  EXPECT_THAT(read(R"("cpus":1,"memoryBytes":1,"desired":"FLYING")"), HasSubstr("FLYING"));
  EXPECT_THAT(read(R"("cpus":1,"disks":7)"), HasSubstr("disks"));
  EXPECT_THAT(read("\"image\":\"\xFF\""), HasSubstr("guest"));
  for (const auto* broken : {"", "{", "[]", "null", "7", "{\"spec\":[}", "\"x\"", "{\"a\":1}"}) {
    EXPECT_FALSE(from_json<Guest>(broken)) << broken;
  }
  EXPECT_FALSE(from_json<Guest>(std::string(100'000, '[')));
}

TEST(Object, of_every_kind_survives_bytes_and_json) {
  const auto check = [](const auto& object) {
    using T = std::decay_t<decltype(object)>;
    const auto bytes = from_bytes<T>(to_bytes(object));
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*bytes, object);
    const auto json = from_json<T>(to_json(object));
    ASSERT_TRUE(json) << json.error().message;
    EXPECT_EQ(*json, object);
  };
  const WallTime time(std::chrono::microseconds(1'700'000'000'123'456));
  HostStatus host;
  host.machine_id = "m";
  host.boot_id = "b";
  host.version = "0.1";
  host.kernel = "6.1";
  host.architecture = Architecture::X86_64;
  host.cpus = 2;
  host.memory = gib(8);
  host.memory_available = gib(4);
  host.disk = gib(100);
  host.disk_free = gib(50);
  host.capabilities = {{"kvm", false, "it hangs"}};
  host.seen_at = host.booted_at = time;
  check(*Host::make(named("h1"), HostSpec{true, "rack1"}, host));
  ImageStatus image{true,   "qcow2", gib(1), mib(3),     "abc", Technique::Vm, Architecture::X86_64,
                    "fine", time,    "/x",   {"/bin/sh"}};
  check(*Image::make(
      named("i1"),
      ImageSpec{"oci:/x:y", Technique::Container, Architecture::S390x, "k", "i", "console=ttyS0"},
      image));
  check(*Network::make(named("n1"), NetworkSpec{NetworkMode::Bridge, "br0", "10.0.0.0/24"},
                       NetworkStatus{true, "br0", "up"}));
  check(*Volume::make(named("v1"), VolumeSpec{gib(1), "i1", VolumeKind::Directory, "web1"},
                      VolumeStatus{"/v", "raw", "reflink", mib(1), true, "ok"}));
  Operation operation;
  operation.id = "op-1";
  operation.kind = "guest.launch";
  operation.subject = "guest/web1";
  operation.state = OperationState::Failed;
  operation.progress_permille = 500;
  operation.step = "half";
  operation.error = Error{Code::NotFound, "image.not_found", "no image"};
  operation.created_at = operation.started_at = operation.ended_at = time;
  operation.actor = "user:ann";
  operation.host = "h1";
  operation.idempotency_key = "k";
  operation.cancel_requested = true;
  operation.parameters = {{"a", "b"}};
  check(operation);
  Event event{7,   time,       "guest/web1", "guest.started",   "It runs.", "asked", {"pid 1"}, "x",
              "y", "agent@h1", "i1",         Severity::Warning, "h1"};
  check(event);
}

TEST(Object, of_other_kinds_is_refused_when_it_is_invalid) {
  EXPECT_FALSE(Network::make(named("n"), NetworkSpec{NetworkMode::Bridge, "", ""}));
  EXPECT_FALSE(Network::make(named("n"), NetworkSpec{NetworkMode::Nat, "../x", ""}));
  EXPECT_FALSE(Network::make(named("n"), NetworkSpec{NetworkMode::Nat, "a234567890123456", ""}));
  EXPECT_FALSE(Network::make(named("n"), NetworkSpec{NetworkMode::Nat, "", "10.0.0.0/31"}));
  EXPECT_FALSE(Image::make(named("i"), ImageSpec{}));
  EXPECT_FALSE(Volume::make(named("v"), VolumeSpec{}));
  EXPECT_FALSE(Volume::make(named("v"), VolumeSpec{Bytes(UINT64_MAX), "", VolumeKind::Block, ""}));
  EXPECT_TRUE(Volume::make(named("v"), VolumeSpec{Bytes(0), "image1", VolumeKind::Block, ""}));
  EXPECT_FALSE(Host::make(named("h"), HostSpec{false, "Rack 1"}));
  Metadata labelled = named("h");
  labelled.labels = {{"", "x"}};
  EXPECT_FALSE(Host::make(labelled, HostSpec{}));
}

TEST(Codec, damaged_bytes_are_data_loss_not_a_crash) {
  const std::string bytes = to_bytes(full_guest());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    (void)from_bytes<Guest>(bytes.substr(0, length));
  }
  const auto nothing = from_bytes<Guest>("\xFF\xFF");
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Code::DataLoss);
  EXPECT_EQ(from_bytes<Guest>("").error().reason, "model.damaged");
}

TEST(Codec, makes_text_of_the_world_storable) {
  Guest guest = full_guest();
  GuestStatus status = guest.status();
  status.message = "qemu said \xFF";
  guest.set_status(status);
  const auto read = from_bytes<Guest>(to_bytes(guest));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status().message, "qemu said \xEF\xBF\xBD");
}

}  // namespace
}  // namespace aloft::model
