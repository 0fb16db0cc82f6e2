"""A headless Chromium that looks at the live page, for the tests that need a real browser."""

import contextlib
import math
import shutil
import tempfile
import time

import numpy as np

PATIENCE_S = 60.0
SIZE = 1000, 600
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"),
    *("--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage"),
    f"--window-size={SIZE[0]},{SIZE[1]}",
)


def reason_to_skip():
    """Why there is no browser here, or nothing."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"needs {program}: apt-get install chromium chromium-driver"
    try:
        import selenium  # noqa: F401
    except ModuleNotFoundError:
        return "needs selenium: pip install selenium"
    return ""


@contextlib.contextmanager
def browser():
    """A page of Chromium, and nothing of it left afterwards."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    folder = tempfile.mkdtemp(prefix="chromium")
    options = Options()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    service = Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield View(driver)
    finally:
        driver.quit()
        shutil.rmtree(folder, ignore_errors=True)


class View:
    """What a person sees in the browser, and does there."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        """Open the page, and wait until the scene and the panel are there."""
        self.driver.get(url)
        self.wait(lambda: self.driver.find_elements("css selector", "canvas"))

    def wait(self, condition, patience_s=PATIENCE_S):
        """What the condition gives as soon as that is true."""
        from selenium.common.exceptions import WebDriverException

        until = time.monotonic() + patience_s
        while True:
            try:
                if found := condition():
                    return found
            except WebDriverException:  # what was found has just been drawn anew
                pass
            assert time.monotonic() < until, f"it never came about; it says:\n{self.text()}"
            time.sleep(0.1)

    def text(self):
        return self.driver.find_element("tag name", "body").text

    def button(self, label):
        """The button of a label."""
        path = f"//button[.//text()[normalize-space()='{label}'] or normalize-space()='{label}']"
        return self.wait(lambda: self.driver.find_elements("xpath", path))[0]

    def click(self, label):
        self.driver.execute_script("arguments[0].click()", self.button(label))

    def fields(self, label):
        """The input fields in the row of a label, left to right."""
        path = f"//label[normalize-space()='{label}']/ancestor::*[.//input][1]//input"
        return self.wait(lambda: self.driver.find_elements("xpath", path))

    def fill(self, label, *values):
        """Type numbers into a row's fields."""
        from selenium.webdriver.common.keys import Keys

        fields = [f for f in self.fields(label) if f.get_attribute("type") != "hidden"]
        for field, value in zip(fields[-len(values) :], values, strict=True):
            field.click()
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(f"{value:.3f}".rstrip("0").rstrip("."), Keys.ENTER)

    def numbers(self, label):
        """What stands in a row's fields."""
        found = [f.get_attribute("value") for f in self.fields(label)]
        return np.array([float(text) for text in found if text])

    def drag(self, start, end, steps=3):
        """Drag with the mouse from one place of the window to another, pixels."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        # Each move waits for a frame, which takes a second or so where no GPU draws it.
        hand = ActionBuilder(self.driver, duration=30)
        mouse = hand.pointer_action
        mouse.move_to_location(*map(round, start)).pause(0.3)
        mouse.pointer_down().pause(0.3)
        for share in np.linspace(0.0, 1.0, steps + 1)[1:]:
            there = np.asarray(start) + share * (np.asarray(end) - start)
            mouse.move_to_location(*map(round, there)).pause(0.05)
        mouse.pause(0.2).pointer_up()
        hand.perform()

    def size(self):
        """Width and height of the canvas, pixels."""
        found = self.driver.find_element("css selector", "canvas").size
        return found["width"], found["height"]


def projected(point, camera, look_at, fov, width, height):
    """Where a camera sees a point of the world, pixels. (3,) -> (2,)"""
    camera, look_at = np.asarray(camera, float), np.asarray(look_at, float)
    ahead = (look_at - camera) / np.linalg.norm(look_at - camera)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    away = np.asarray(point) - camera
    focal = 0.5 * height / math.tan(0.5 * fov)
    depth = away @ ahead
    return np.array(
        [0.5 * width + focal * (away @ right) / depth, 0.5 * height - focal * (away @ up) / depth]
    )
