def main(effort): return {}
