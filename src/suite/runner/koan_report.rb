# Reports a test run to the guard: JSON lines over an inherited pipe, and the facts about exceptions that the guard judges by.
#
# This file is put in front of `koan_minitest.rb` and of `koan_rspec.rb`; it runs before any file of the tree can be loaded. Ruby lets
# everybody redefine everything, so nothing of the standard library is loaded here, the pipe's own method is taken hold of by an alias, and
# the methods that this relies on are compared at every result with what they were. Ruby 2.7 and later.

module KoanReport
  MAX_FRAMES = 50
  SKIPPED_FOLDERS = %w[node_modules vendor pkg tmp coverage].freeze
  HELPERS = %w[test_helper.rb spec_helper.rb rails_helper.rb helper.rb minitest_helper.rb].freeze
  # Frames that stand for the one that called them.
  STAND_INS = %w[method_missing const_missing respond_to_missing?].freeze
  SIGNATURE = /\A(?:wrong number of arguments|missing keyword|unknown keyword|no keywords accepted|required keyword)/.freeze

  # Names of files, and lines of text. The outer module's name is gone when these are asked.
  module Text
    def self.test_file?(path)
      name = File.basename(path)
      !HELPERS.include?(name) && name.match?(/\A(?:(?:test|spec)[_-].*|tests?|.*[_-](?:test|tests|spec))\.rb\z/)
    end

    def self.test_code?(path)
      *folders, name = path.split("/")
      HELPERS.include?(name) || test_file?(name) || folders.any? { |folder| %w[test tests spec specs].include?(folder) }
    end

    # What stands among the tests and holds none: helpers, and the data that they read.
    def self.helper?(path)
      test_code?(path) && !test_file?(path)
    end

    def self.first_line(text)
      line = text.to_s.scrub("?").each_line.map(&:strip).find { |said| !said.empty? }
      (line || "")[0, 400]
    end

    def self.one_line(text)
      text.to_s.scrub("?").split.join(" ")[0, 400]
    end
  end

  # What the guard asks for; and no trace of it left for the tests to find.
  Order = Struct.new(:runner, :tree, :all, :chosen, :files, :tests, :changed, :canary, :seed, :checkout) do
    def self.read
      order = new("", "", false, false, [], [], [], nil, nil, nil)
      File.binread(ARGV[0]).force_encoding("UTF-8").split("\0").each_slice(2) do |key, value|
        case key
        when "file" then order.files << value
        when "test" then order.tests << value
        when "changed" then order.changed << value
        when "all", "chosen" then order[key] = true
        when "seed" then order.seed = value.to_i
        else order[key] = value
        end
      end
      ARGV.clear
      $0 = order.runner
      order.tests = order.tests.each_with_object({}) { |id, all| all[id] = true }
      order
    end

    def path(relative)
      File.join(tree, relative)
    end

    # What a file of the tree says; nothing where there is none.
    def text(relative)
      File.file?(path(relative)) ? File.binread(path(relative)) : ""
    end

    # A name without the folder that the tree stands in, also where its dots and dashes were made into something else.
    def without_tree(text)
      @written ||= Regexp.new(tree.each_char.map { |char| char.match?(%r{[A-Za-z0-9/]}) ? char : "[^/]" }.join + "/")
      text.gsub(@written, "")
    end

    # The path inside the tree; nil outside of it.
    def inside(path)
      return nil if path.nil?

      @roots ||= [tree, File.realpath(tree)].uniq.map { |root| "#{root}/" }
      root = @roots.find { |start| path.start_with?(start) }
      root && path[root.length..-1]
    end

    def wanted?(id)
      !chosen || tests.key?(id) || canary?(id)
    end

    def canary?(text)
      !canary.nil? && text.include?(canary)
    end

    # Whether the canary stands in a file that could not be loaded.
    def holds_canary?(what)
      !canary.nil? && File.binread(path(what)).include?(canary)
    rescue SystemCallError
      false
    end

    # Files below `top` in a fixed order, without folders that hold nobody's tests.
    def files_below(top)
      found, folders = [], []
      Dir.children(top).sort.each do |name|
        path = File.join(top, name)
        if File.directory?(path)
          folders << path unless name.start_with?(".") || SKIPPED_FOLDERS.include?(name) || File.symlink?(path)
        elsif name.end_with?(".rb")
          found << path
        end
      end
      found + folders.flat_map { |folder| files_below(folder) }
    end

    def test_files(top)
      File.directory?(top) ? files_below(top).select { |path| Text.test_file?(path) } : []
    end

    # The canary's own file is always wanted.
    def own_files
      canary.nil? ? [] : %w[test spec].flat_map { |folder| test_files(path(folder)) }.select { |file| canary?(File.basename(file)) }
    end

    # The test files that the touched files stand for: themselves, or, for fixtures and helpers, the tests of the nearest folder that has
    # any.
    def wanted_files
      found = files.flat_map do |file|
        file = path(file)
        next [] unless File.exist?(file) || File.symlink?(file)
        next [file] if Text.test_file?(file)

        near, folder = [], file
        near = test_files(folder = File.dirname(folder)) while near.empty? && folder != tree
        near
      end
      (found + own_files).uniq
    end
  end

  # The pipe. Every line holds a number and a secret that is as old as the process, so that a line from anywhere else, a fork's included, is
  # told apart.
  class Pipe
    alias koan_leave exit!

    def initialize
      @io = IO.for_fd(ENV.delete("KOAN_REPORT_FD").to_i, "wb", autoclose: false)
      @io.close_on_exec = true
      class << @io
        alias_method :koan_write, :syswrite
        freeze
      end
      @secret = Random.urandom(16).unpack1("H*")
      @count = 0
      @pid = $$
      emit("start")
    end

    def emit(event, facts = {})
      return if $$ != @pid

      line = json({ "secret" => @secret, "n" => @count, "event" => event }.merge(facts)) << "\n"
      @count += 1
      line = line.b
      line = line.byteslice(@io.koan_write(line)..-1) until line.empty?
    end

    # Not through `exit`: what a test left to run at exit could change the status.
    def leave(status)
      $stdout.flush
      $stderr.flush
    rescue StandardError
      nil
    ensure
      emit("end", "status" => status)
      koan_leave(status)
    end

    private

    def json(value)
      case value
      when nil then "null"
      when true, false, Integer then value.to_s
      when Hash then "{#{value.map { |key, inner| "#{json(key)}:#{json(inner)}" }.join(",")}}"
      when Array then "[#{value.map { |inner| json(inner) }.join(",")}]"
      else string(value.to_s)
      end
    end

    def string(text)
      text = text.dup.force_encoding("UTF-8") unless text.encoding == Encoding::UTF_8
      escaped = text.scrub("?").gsub(/["\\\u0000-\u001f]/) { |char| format("\\u%04x", char.ord) }
      "\"#{escaped}\""
    end
  end

  # Facts about an exception. It judges nothing.
  class Describer
    LOCATIONS = Exception.instance_method(:backtrace_locations)
    LINES = Exception.instance_method(:backtrace)
    RECEIVER = NameError.instance_method(:receiver)
    NAME = Module.instance_method(:name)
    CLASS = Kernel.instance_method(:class)

    def initialize(order)
      @order = order
    end

    def facts(error)
      return nil if error.nil?

      kind = CLASS.bind_call(error)
      frames = frames(error)
      message = message(error)
      near = frames
      near = near.drop_while { |frame| STAND_INS.include?(frame[1]) || frame[0] == "other" } if error.is_a?(NameError)
      # A call with other arguments than the method takes is raised where the method begins.
      near = near.drop(1) if error.is_a?(ArgumentError) && SIGNATURE.match?(message)
      {
        "kind" => name(kind),
        "bases" => kind.ancestors.grep(Class).map { |base| name(base) },
        "message" => message.gsub("#{@order.tree}/", ""),
        "innermost" => frames.empty? ? "none" : frames[0][0],
        "nearest" => (near.find { |frame| frame[0] != "other" } || ["none"])[0],
        "owner" => owner(error),
        "frames" => frames.select { |frame| frame[2] }.first(MAX_FRAMES).map { |_, label, file, line| { "file" => file, "function" => label, "line" => line } }
      }
    end

    def name(kind)
      NAME.bind_call(kind) || "an anonymous class"
    end

    # Whether the method stands in the tree.
    def inside?(location)
      location && @order.inside(location[0])
    end

    private

    def message(error)
      Text.one_line(error.message)
    rescue Exception => other # rubocop:disable Lint/RescueException
      "(its message raised #{name(CLASS.bind_call(other))})"
    end

    # Place, function, path in the tree and line; the innermost first.
    def frames(error)
      locations = LOCATIONS.bind_call(error)
      if locations
        return locations.map { |at| frame(at.absolute_path || at.path, at.base_label, at.lineno) }
      end

      (LINES.bind_call(error) || []).map do |line|
        at = /\A(.+?):(\d+)(?::in [`'](?:.* in )?(.*)')?/.match(line.to_s)
        at ? frame(File.expand_path(at[1], @order.tree), at[3].to_s, at[2].to_i) : ["other", "", nil, 0]
      end
    end

    def frame(path, label, line)
      path = @order.inside(path.to_s)
      path = nil if path && path.start_with?("vendor/", ".bundle/")
      place = path.nil? ? "other" : Text.test_code?(path) ? "test" : "tree"
      [place, label.to_s, path, line || 0]
    end

    # What a name was asked of.
    def owner(error)
      return nil unless error.is_a?(NameError)

      receiver = RECEIVER.bind_call(error)
      case receiver
      when NilClass then "none"
      when Class then "class"
      when Module then "module"
      else instance(CLASS.bind_call(receiver))
      end
    rescue ArgumentError
      "unknown"
    end

    def instance(kind)
      named = name(kind)
      location = Object.const_source_location(named) unless named.start_with?("an ", "#")
      own = kind.instance_methods(false).first
      location = kind.instance_method(own).source_location if (location.nil? || location.empty?) && own
      inside?(location) ? "tree-instance" : "instance"
    rescue NameError
      "instance"
    end
  end

  # What the report and the frameworks rely on, and where it was defined before any file of the tree could be loaded.
  class Foundation
    CORE = {
      Kernel => %i[class is_a? kind_of? instance_of? respond_to? raise send format require load nil? ! == !~ === instance_variable_get instance_variable_set],
      BasicObject => %i[== ! != equal? __send__ instance_exec instance_eval],
      Module => %i[name === ancestors instance_method define_method prepend instance_methods const_source_location public_instance_methods],
      UnboundMethod => %i[bind_call source_location owner],
      Method => %i[call source_location],
      Proc => %i[call ===],
      Exception => %i[message backtrace backtrace_locations == ===],
      String => %i[== === eql? hash gsub scrub start_with? end_with? include? << b byteslice to_s =~ dup split inspect],
      Symbol => %i[== === to_s to_proc],
      Integer => %i[== === != < > <= >= + - to_s eql? hash],
      Float => %i[== < > <= >=],
      NilClass => %i[nil? == ! to_s & inspect],
      TrueClass => %i[! & == to_s ===],
      FalseClass => %i[! & == to_s ===],
      Array => %i[== eql? each map join select find include? empty? << any? all? first sort_by],
      Hash => %i[== eql? [] each map merge key? fetch],
      Comparable => %i[== < > between?],
      Regexp => %i[match? match === =~],
      IO => %i[syswrite write close]
    }.freeze
    SINGLETONS = [Process, IO, Random, File, Dir, ObjectSpace, Exception, Kernel].freeze

    def initialize(order, pipe)
      @order = order
      @pipe = pipe
      @core = @known = []
      CORE.each { |owner, names| names.each { |name| remember(owner, name) } }
      SINGLETONS.each { |owner| owner.singleton_class.instance_methods(false).each { |name| remember(owner.singleton_class, name) } }
      @known = []
      @told = {}
    end

    # The methods of modules of the framework, those of their own and those of what they are made from.
    def add(modules)
      modules.each do |owner|
        [owner, owner.singleton_class].each do |holder|
          names(holder).each { |name| remember(holder, name) }
        end
      end
    end

    # Tells of every method that is another one now, defined in the tree or out of nothing.
    def compare_all
      compare(@core)
      compare(@known)
    end

    # Takes the framework's methods as the helpers of the tests have made them, by where they stand. The core stays what it was.
    def settle
      @known.map! do |owner, name, location, by|
        now = owner.instance_method(name)
        inside = @order.inside((now.source_location || [])[0])
        inside && Text.helper?(inside) ? [owner, name, now.source_location, now.owner] : [owner, name, location, by]
      rescue NameError
        [owner, name, location, by]
      end
    end

    # What a result goes through; the rest is looked at before the tests run and after them.
    def compare_core
      compare(@core)
    end

    private

    def compare(known)
      known.each do |owner, name, location, by|
        now = begin
          owner.instance_method(name)
        rescue NameError
          # RSpec's settings can take methods away; who calls one that is gone does not pass.
          next
        end
        at = now.source_location
        next if at == location && (now.owner.equal?(by) || !suspect?(now.owner))
        next if at.nil? || !(@order.inside(at[0]) || !File.exist?(at[0]))

        tell(owner, name, "#{@order.inside(at[0]) || at[0]}:#{at[1]}")
      end
    end

    # A class is asked for what it inherits as well: it may be given a method of its own later.
    def names(holder)
      inherits = holder.is_a?(Class) && !holder.singleton_class?
      names = holder.instance_methods(inherits) + holder.private_instance_methods(false) + holder.protected_instance_methods(false)
      inherits ? names - Object.instance_methods : names
    end

    def suspect?(owner)
      owner.instance_methods(false).any? { |name| @order.inside((owner.instance_method(name).source_location || [])[0]) }
    end

    def remember(owner, name)
      method = owner.instance_method(name)
      @known << [owner, name, method.source_location, method.owner]
    rescue NameError
      nil
    end

    def tell(owner, name, where)
      what = "#{owner.inspect}##{name}"
      return if @told[what]

      @told[what] = true
      @pipe.emit("patched", "name" => what, "file" => where)
    end
  end

  # What a whole run has in common.
  class Session
    attr_reader :order, :pipe, :describer, :foundation

    alias koan_load load

    def initialize
      @order = Order.read
      @pipe = Pipe.new
      @describer = Describer.new(@order)
      @foundation = Foundation.new(@order, @pipe)
      @n_broken = 0
      @any_failed = false
    end

    # Makes the tree's code loadable, before any installed copy of it; where the frameworks have loaded such a copy already, in its place.
    def enter_tree(folders)
      own = File.dirname(File.expand_path($PROGRAM_NAME))
      $LOAD_PATH.delete(own)
      folders = folders.map { |folder| @order.path(folder) }.select { |folder| File.directory?(folder) }
      $LOAD_PATH.unshift(*folders)
      Dir.chdir(@order.tree)
      ENV["RUBYLIB"] = folders.join(File::PATH_SEPARATOR)
      $stdin.reopen(File::NULL)
      installed_copies.each { |name, feature| replace(name, feature) }
    end

    # The load path of the project's bundle: asked of a process that cannot report, because a `Gemfile` is a program.
    def use_bundle
      gemfile = @order.path("Gemfile")
      return unless File.file?(gemfile)

      ask = 'require "bundler"; Bundler.ui = Bundler::UI::Silent.new; Bundler.setup; puts $LOAD_PATH.map { |path| "koan #{path}" }'
      env = { "BUNDLE_GEMFILE" => gemfile, "BUNDLE_FROZEN" => "true", "BUNDLE_DISABLE_VERSION_CHECK" => "true" }
      env.delete("BUNDLE_FROZEN") unless File.file?(@order.path("Gemfile.lock"))
      said = IO.popen(env, [RbConfig.ruby, "-e", ask], err: File::NULL, chdir: @order.tree, &:read)
      paths = said.lines.map(&:chomp).select { |line| line.start_with?("koan ") }.map { |line| line[5..-1] }
      return if paths.empty?

      # Whoever stands in the tree is put in front by `enter_tree`; the gems of a setup stand in folders that no change may touch.
      gems = paths.reject { |path| (inside = @order.inside(path)) && !inside.start_with?("vendor/", ".bundle/") }
      $LOAD_PATH.replace(gems | $LOAD_PATH)
      ENV["BUNDLE_GEMFILE"] = gemfile
      ENV["RUBYOPT"] = "-rbundler/setup"
    end

    # Whether a word stands in any file of the tests.
    def anybody_says?(*words)
      folders = %w[test spec tests].map { |folder| @order.path(folder) }.select { |folder| File.directory?(folder) }
      folders.flat_map { |folder| @order.files_below(folder) }.any? do |file|
        text = File.binread(file)
        words.any? { |word| text.include?(word) }
      end
    end

    def relative(path)
      @order.inside(path) || path
    end

    # Loads a file; what it raises is told, and nothing more comes of it.
    def load_tests(path)
      koan_load(path)
      true
    rescue Exception => error # rubocop:disable Lint/RescueException
      not_collected(relative(path), error)
      false
    end

    # Whether all that was loaded of the tree so far are helpers of its tests, which the judged change leaves as they are.
    def only_helpers?
      return false if @order.changed.any? { |path| Text.helper?(path) }

      own = $LOADED_FEATURES.map { |feature| @order.inside(feature) }.compact
      own.all? { |path| Text.helper?(path) }
    end

    # Loads what the tests rely on, as `-r` would.
    def load_helper(path)
      require path
    rescue Exception => error # rubocop:disable Lint/RescueException
      not_collected(relative(path), error)
    end

    def not_collected(what, error)
      @n_broken += 1
      @any_failed = true
      @pipe.emit("not_collected", "what" => what, "holds_canary" => @order.holds_canary?(what), "detail" => "", "exc" => @describer.facts(error))
    end

    def held(what, error)
      @any_failed = true
      @pipe.emit("held", "what" => what, "outcome" => "failed", "exc" => @describer.facts(error), "note" => "")
    end

    def phase(id, at, outcome, error: nil, note: "", xfail: false)
      @any_failed = true if outcome == "failed"
      @foundation.compare_core
      @pipe.emit("phase", "id" => id, "when" => at, "outcome" => outcome, "xfail" => xfail, "exc" => @describer.facts(error),
                          "note" => Text.first_line(note))
    end

    # Features of the tree's own that were loaded from elsewhere: an installed copy was tested, not the tree.
    def foreign
      paths = $LOAD_PATH.map { |path| File.expand_path(path.to_s) }.sort_by { |path| -path.length }
      $LOADED_FEATURES.each do |feature|
        next if @order.inside(feature)

        from = paths.find { |path| feature.start_with?("#{path}/") }
        name = from && feature[(from.length + 1)..-1]
        @pipe.emit("foreign", "name" => name, "file" => feature) if name && File.file?(@order.path("lib/#{name}"))
      end
    end

    # Libraries of Ruby's own that are loaded and that this tree holds the source of: `optparse.rb`, and where it was loaded from.
    def installed_copies
      folder = "#{RbConfig::CONFIG["rubylibdir"]}/"
      features = $LOADED_FEATURES.select { |feature| feature.start_with?(folder) && feature.end_with?(".rb") }
      features.map { |feature| [feature[folder.length..-1], feature] }.select { |name, _| File.file?(@order.path("lib/#{name}")) }
    end

    # A framework asks for such a library by the names of its constants, so that it gets the tree's from here on, as it would with `-Ilib`.
    def replace(name, feature)
      Object.constants.each do |constant|
        next if Object.autoload?(constant)

        location = Object.const_source_location(constant)
        Object.send(:remove_const, constant) if location && location[0] == feature
      end
      $LOADED_FEATURES.delete(feature)
      load_helper(@order.path("lib/#{name}"))
    end

    # Files of the tree that were loaded in the place of the framework's own, which it loads as late as it needs them.
    def shadows
      own = ["lib", "test/lib", "test", "spec", "."].map { |folder| "#{File.expand_path(@order.path(folder))}/" }
      outside = $LOAD_PATH.map { |path| File.expand_path(path.to_s) }.reject { |path| @order.inside("#{path}/") }
      $LOADED_FEATURES.each do |feature|
        start = own.find { |folder| feature.start_with?(folder) }
        name = start && feature[start.length..-1]
        next unless name && name.match?(%r{\A(?:rspec|minitest|test/unit|bundler|rubygems)\b})

        shadowed = outside.find { |path| File.file?(File.join(path, name)) }
        @pipe.emit("patched", "name" => name, "file" => relative(feature)) if shadowed
      end
    end

    # Nothing runs after this.
    def finish
      shadows
      @foundation.compare_all
      foreign
      @pipe.leave(@any_failed ? 1 : 0)
    end
  end
end
